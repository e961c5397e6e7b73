"""The benchmarks run and produce figures: their quick variants, without a word about how good the figures are."""

from __future__ import annotations

import math
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.bench import engine_all, engine_figures

pytestmark = pytest.mark.timeout(150)

ROOT = Path(__file__).parents[3]
DEADLINE_S = 100.0
FEWEST = {"engine_cycles": 3, "engine_parked": 8, "engine_disconnects": 3, "engine_timers": 3}


@pytest.fixture(scope="module")
def outputs() -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What each benchmark printed; a few run at a time."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(engine_all.MODULES, pool.map(quick, engine_all.MODULES), strict=True))


def quick(module: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        engine_all.command(module, quick=True), cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S
    )


@pytest.mark.parametrize("module", engine_all.MODULES)
def test_a_quick_benchmark_gives_its_figures(
    module: str, outputs: Mapping[str, subprocess.CompletedProcess[str]]
) -> None:
    output = outputs[module]
    assert output.returncode == 0, output.stderr[-3000:]
    rows = engine_all.rows_of(module, output.stdout.splitlines())
    assert len(rows) >= FEWEST.get(module, 2)
    for row in rows:
        _, _, measured = row.strip("|").split("|")
        assert re.search(r"\d", measured), row
        assert "nan" not in measured


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
    assert engine_all.rows_of(engine_all.JOURNAL, lines) == [
        "| durable transitions in flight against commit-each | ≥ 2.0 × | 2.96 × at 16, 3.45 × at 64 |",
        "| durable transitions in flight against slower disk | ≥ 0.6 × | 0.54 × at 16, 0.76 × at 64 **missed** |",
    ]
