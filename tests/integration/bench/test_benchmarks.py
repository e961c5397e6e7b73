"""The benchmarks run, produce figures and curves, and their charts can be drawn: their quick variants, without a word
about how good the figures are."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.bench import charts, engine_figures, everything

pytestmark = pytest.mark.timeout(420)

ROOT = Path(__file__).parents[3]
DEADLINE_S = 200.0
FEWEST = {
    "engine_cycles": 3,
    "engine_parked": 8,
    "engine_disconnects": 3,
    "engine_timers": 3,
    "client_cost": 7,
    "flow_replay": 1,
    "polling_parked": 10,
    "polling_early": 6,
    "polling_herd": 5,
    "polling_burst": 5,
    "polling_tenants": 11,
}
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
        command = everything.command(module, quick=True, results=results)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(everything.MODULES, pool.map(quick, everything.MODULES), strict=True))


@pytest.mark.parametrize("module", everything.MODULES)
def test_a_quick_benchmark_gives_its_figures(
    module: str, outputs: Mapping[str, subprocess.CompletedProcess[str]]
) -> None:
    output = outputs[module]
    assert output.returncode == 0, output.stderr[-3000:]
    rows = everything.rows_of(module, output.stdout.splitlines())
    assert len(rows) >= FEWEST.get(module, 2)
    for row in rows:
        _, _, measured = row.strip("|").split("|")
        assert re.search(r"\d", measured), row
        assert "nan" not in measured


@pytest.mark.usefixtures("outputs")
@pytest.mark.parametrize("module", everything.CHARTED)
def test_a_quick_benchmark_leaves_its_curves(module: str, results: Path) -> None:
    points = json.loads((results / f"{module}.json").read_text())
    assert {point["chart"] for point in points} == CHARTS[module]
    assert {"ours"} <= {point["series"].partition(",")[0] for point in points}


@pytest.mark.usefixtures("outputs")
def test_charts_are_drawn_the_same_each_time(results: Path) -> None:
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
    rows = [{"chart": "any", "series": "b", "x": 2, "y": 20}, {"chart": "any", "series": "a", "x": [1, 3], "y": [4, 5]}]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    (tmp_path / "two.json").write_text(json.dumps([{"chart": "any", "series": "b", "x": 1, "y": 10}]))
    assert charts.read(tmp_path) == {"any": {"b": [(1, 10), (2, 20)], "a": [(1, 4), (3, 5)]}}
    assert "any" in charts.draw(charts.chart_of("any, ms"), charts.read(tmp_path)["any"])


def test_quantiles_and_histograms() -> None:
    assert engine_figures.median([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert engine_figures.quantile([float(value) for value in range(100)], 0.99) == 99.0
    buckets = {'lag_bucket{le="0.1"}': 90.0, 'lag_bucket{le="0.5"}': 99.0, 'lag_bucket{le="+Inf"}': 100.0}
    assert engine_figures.of_histogram(buckets, "lag", 0.5) == 0.1
    assert engine_figures.of_histogram(buckets, "lag", 0.99) == 0.5
    assert math.isnan(engine_figures.of_histogram({}, "lag", 0.5))


def test_the_ratios_of_the_journal_become_figures() -> None:
    lines = [
        "| how | in flight | transitions/s | ack p50 ms | ack p99 ms |",
        "| ours | 16 | 9,000 | 1.0 | 5.0 |",
        "",
        "| ours against | must reach | 16 in flight | 64 in flight |",
        "|---|---|---|---|",
        "| commit-each | 2.0 | 2.96 | 3.45 |",
        "| slower disk | 0.6 | 0.54 missed | 0.76 |",
    ]
    assert everything.rows_of(everything.JOURNAL, lines) == [
        "| durable transitions in flight against commit-each | ≥ 2.0 × | 2.96 × at 16, 3.45 × at 64 |",
        "| durable transitions in flight against slower disk | ≥ 0.6 × | 0.54 × at 16, 0.76 × at 64 **missed** |",
    ]
