"""The alert rules: they parse, read what exists, lead to a runbook, and fire when they must."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from tests.unit.deploy.conftest import ALERTS, FROM_PROMETHEUS, ROOT, SCRAPING, asked, problems

from elbflow_standalone import layout

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=str(Path(sys.executable).parent))


def named(rule: dict[str, Any]) -> str:
    return str(rule["alert"])


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_reads_what_services_expose(rule: dict[str, Any], catalogue: dict[str, frozenset[str]]) -> None:
    assert problems(rule["expr"], catalogue) == []


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_who_looks_where(rule: dict[str, Any], catalogue: dict[str, frozenset[str]]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    page, _, section = rule["annotations"]["runbook"].partition("#")
    assert section in sections(ROOT / page)
    used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    groups: list[frozenset[str]] = [
        frozenset(re.split(r",\s*", labels)) for labels in re.findall(r"\bby \(([^)]*)\)", rule["expr"])
    ]
    if not groups:
        groups = [FROM_PROMETHEUS | catalogue[name] for name, _ in asked(promql(rule))]
    assert used <= frozenset.intersection(*groups) | ({"api", "kind"} if " or " in rule["expr"] else set())


def test_names_are_unique_and_every_alert_is_tried() -> None:
    names = [named(rule) for rule in RULES]
    assert len(set(names)) == len(names)
    tried = (ALERTS.parent / "alerts_test.yml").read_text()
    assert [name for name in names if len(re.findall(rf"\b{name}\b", tried)) < 2] == []


def test_everything_that_broke_long_polls_before_is_watched() -> None:
    """Poll latency, early returns, backlog, budget, unpolled lanes, endpoints, lost polls, the loop."""
    watched = {name for rule in RULES for name, _ in asked(promql(rule))}
    assert watched >= {
        "swf_schedule_to_start_seconds_bucket",
        "swf_poll_wasted_total",
        "swf_backlog_seen",
        "swf_poll_budget_limit",
        "swf_list_unpolled_seconds",
        "swf_endpoint_state",
        "swf_poll_breaker_open",
        "swf_polls_abandoned_total",
        "elbflow_loop_lag_seconds_bucket",
    }


def test_the_scrape_configuration_is_that_of_the_stack() -> None:
    config = yaml.safe_load(SCRAPING.read_text())
    where = layout.Layout(Path("data"), layout.DEFAULT_BASE_PORT)
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert targets == {f"elbflow-{name}": [f"{layout.HOST}:{where.admin_port(name)}"] for name in layout.SERVICES}
    assert [ALERTS.parent / name for name in config["rule_files"]] == [ALERTS]


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: package prometheus)")
@pytest.mark.parametrize(
    "words",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_prometheus_itself_agrees_and_fires(words: tuple[str, ...]) -> None:
    finished = subprocess.run([str(PROMTOOL), *words], cwd=ALERTS.parent, capture_output=True, text=True, timeout=50)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def promql(rule: dict[str, Any]) -> promql_parser.Expr:
    return promql_parser.parse(rule["expr"])


def sections(page: Path) -> set[str]:
    """Anchors of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
