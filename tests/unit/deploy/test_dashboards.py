"""The Grafana dashboards: panels that lie beside each other and read what services expose."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.deploy.conftest import DASHBOARDS, problems

WIDTH = 24


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in load(path)["panels"] if panel["type"] != "row"]


def filled_in(expression: str) -> str:
    """The expression as Grafana sends it."""
    assert "$__interval" not in expression, "$__rate_interval is right at every zoom"
    return expression.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")


def test_there_are_three() -> None:
    assert [path.stem for path in DASHBOARDS] == ["engine", "polling", "services"]
    uids = {load(path)["uid"] for path in DASHBOARDS}
    assert len(uids) == len(DASHBOARDS)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_reads_what_services_expose(path: Path, catalogue: dict[str, frozenset[str]]) -> None:
    expressions = [target["expr"] for panel in panels(path) for target in panel["targets"]]
    assert len(expressions) >= 20
    assert {
        expression: found for expression in expressions if (found := problems(filled_in(expression), catalogue))
    } == {}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_legends_name_labels_that_the_expression_keeps(path: Path) -> None:
    for panel in panels(path):
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            if kept:
                available = {label.strip() for label in kept[0].split(",")}
                assert shown <= available, target["expr"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_its_shape_is_what_grafana_expects(path: Path) -> None:
    board = load(path)
    assert board["schemaVersion"] >= 36
    assert board["title"].startswith("elbflow: ")
    assert "elbflow" in board["tags"]
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "job", "instance"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(path):
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    places = [panel["gridPos"] for panel in load(path)["panels"]]
    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
