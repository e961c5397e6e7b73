"""The scale program with a few load balancers: that it measures what it says, not how fast (tests/scale)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scale import load_balancers, report

ROOT = Path(__file__).parents[2]
SIZES = (1, 2)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as users start it."""
    command = [sys.executable, "-m", "tests.scale.load_balancers", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=390, check=False)


@pytest.mark.timeout(400)
def test_it_measures_a_running_stack_and_writes_points_for_charts(tmp_path: Path) -> None:
    little = ("--changes", "6", "--rate", "3", "--idle", "1", "--interval", "5")

    ended = run("--sizes", ",".join(map(str, SIZES)), *little, "--results", str(tmp_path))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "| 2 × 2 VMs: proofs that a request did not bear out | 0 | 0 |" in ended.stdout
    points = json.loads((tmp_path / load_balancers.RESULTS).read_text())
    proofs = {(one["series"], one["x"]): one["y"] for one in points if one["chart"] == report.PROOFS}
    assert set(proofs) == {(series, size) for series in ("p50", "p99") for size in SIZES}
    assert all(0 < seconds < 60 for seconds in proofs.values())
    parked = {one["x"]: one["y"] for one in points if one["chart"] == report.PARKED}
    assert all(parked[size] >= 2 * size for size in SIZES)


def test_it_refuses_with_the_reason_where_it_cannot_run() -> None:
    ended = run("--sizes", "1000000")
    assert ended.returncode == 2
    assert "MiB of memory are available" in ended.stdout


@pytest.mark.parametrize("sizes", ["", "0", "50,10", "10,10", "many"])
def test_sizes_are_ascending_numbers(sizes: str) -> None:
    with pytest.raises(SystemExit):
        load_balancers.main(["--sizes", sizes])
