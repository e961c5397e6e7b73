"""Pages that name files, sections and pictures name ones that exist."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*(ROOT / "docs").glob("*.md"), ROOT / "deploy" / "README.md", ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
POLLING = ROOT / "shared" / "src" / "elbflow" / "polling"


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, section = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (section and section not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_the_walk_through_polling_names_every_module() -> None:
    page = (ROOT / "docs" / "polling.md").read_text()
    named = set(re.findall(r"`(\w+\.py)`", page))
    modules = {path.name for path in POLLING.glob("*.py")} - {"__init__.py", "testing.py"}
    assert modules - named == set()
    assert named - modules == set()


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda path: path.stem)
def test_pictures_say_what_they_show_and_fit_light_and_dark(picture: Path) -> None:
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.fromstring(picture.read_text())
    assert root.tag == f"{space}svg"
    assert root.findtext(f"{space}title")
    assert root.findtext(f"{space}desc")
    assert "prefers-color-scheme: dark" in (root.findtext(f"{space}style") or "")
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    for box in root.iter(f"{space}rect"):
        right = float(box.get("x", "0")) + float(box.attrib["width"])
        bottom = float(box.get("y", "0")) + float(box.attrib["height"])
        assert right <= width
        assert bottom <= height


def test_every_metric_that_a_scheduler_must_have_is_documented() -> None:
    """spec/swf-long-poll-scale 5.15; tests/e2e/test_commands.py compares the page with running services."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"`(swf_\w+)", page))
    assert documented >= {
        "swf_cred_refresh_total",
        "swf_dispatch_delay_seconds",
        "swf_empty_poll_ratio",
        "swf_endpoint_state",
        "swf_governor_rate",
        "swf_list_unpolled_seconds",
        "swf_permits_in_use",
        "swf_poll_ambiguous_total",
        "swf_poll_budget_limit",
        "swf_poll_budget_used",
        "swf_poll_duration_seconds",
        "swf_poll_hold_learned_seconds",
        "swf_poll_pace_delay_seconds",
        "swf_poll_results_total",
        "swf_poll_target",
        "swf_poll_wasted_total",
        "swf_polls_abandoned_total",
        "swf_polls_inflight",
        "swf_respond_seconds",
        "swf_schedule_to_start_seconds",
        "swf_throttled_total",
    }
