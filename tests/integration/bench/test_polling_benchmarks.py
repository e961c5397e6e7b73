"""The benchmarks of polling run, produce figures and curves, and their charts can be drawn: their quick variants,
without a word about how good the figures are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.bench import engine_all, polling_all

pytestmark = pytest.mark.timeout(150)

DEADLINE_S = 100.0
FEWEST = {"polling_parked": 10, "polling_early": 6, "polling_herd": 5, "polling_burst": 5}
CHARTS = {
    "polling_parked": {"parked-memory", "parked-burst"},
    "polling_early": {"early-rate"},
    "polling_herd": {"herd-requests"},
    "polling_burst": {"burst-polls"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def outputs(results: Path) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What each benchmark printed; a few run at a time."""

    def quick(module: str) -> subprocess.CompletedProcess[str]:
        command = polling_all.command(module, quick=True, results=results)
        return subprocess.run(command, cwd=engine_all.ROOT, capture_output=True, text=True, timeout=DEADLINE_S)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(polling_all.MODULES, pool.map(quick, polling_all.MODULES), strict=True))


@pytest.mark.parametrize("module", polling_all.MODULES)
def test_a_quick_benchmark_gives_its_figures_and_curves(
    module: str, outputs: Mapping[str, subprocess.CompletedProcess[str]], results: Path
) -> None:
    output = outputs[module]
    assert output.returncode == 0, output.stderr[-3000:]
    rows = engine_all.rows_of(module, output.stdout.splitlines())
    assert len(rows) >= FEWEST[module]
    for row in rows:
        assert re.search(r"\d", row.strip("|").split("|")[2]), row
    points = json.loads((results / f"{module}.json").read_text())
    assert {point["chart"] for point in points} == CHARTS[module]
    assert {"ours"} <= {point["series"].partition(",")[0] for point in points}


@pytest.mark.usefixtures("outputs")
def test_charts_are_drawn_the_same_each_time(results: Path) -> None:
    pytest.importorskip("matplotlib")
    from tests.bench import charts

    drawn_from = charts.read(results)
    assert set().union(*CHARTS.values()) == drawn_from.keys()
    for name, curves in drawn_from.items():
        chart = charts.CHARTS[name]
        drawn = charts.draw(chart, curves)
        assert "prefers-color-scheme:dark" in drawn
        texts = {element.text for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")}
        assert {chart.title, *curves} <= texts
    assert drawn == charts.draw(chart, curves)


def test_points_and_lists_of_points_are_read_alike(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from tests.bench import charts

    rows = [{"chart": "any", "series": "b", "x": 2, "y": 20}, {"chart": "any", "series": "a", "x": [1, 3], "y": [4, 5]}]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    (tmp_path / "two.json").write_text(json.dumps([{"chart": "any", "series": "b", "x": 1, "y": 10}]))
    assert charts.read(tmp_path) == {"any": {"b": [(1, 10), (2, 20)], "a": [(1, 4), (3, 5)]}}
    assert "any" in charts.draw(charts.chart_of("any, ms"), charts.read(tmp_path)["any"])
