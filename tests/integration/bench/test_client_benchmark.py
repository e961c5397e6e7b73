"""The benchmark of the client runs and produces figures: its quick variant, without a word about how good they are."""

from __future__ import annotations

import subprocess

import pytest
from tests.bench import engine_all

GOALS, CALLS = 4, 3


@pytest.mark.timeout(120)
def test_the_quick_benchmark_gives_its_figures() -> None:
    command = engine_all.command("client_cost", quick=True)
    output = subprocess.run(command, cwd=engine_all.ROOT, capture_output=True, text=True, timeout=100.0)
    assert output.returncode == 0, output.stderr[-3000:]
    rows = engine_all.rows_of("client_cost", output.stdout.splitlines())
    assert len(rows) == GOALS + CALLS
    for row in rows:
        measured = row.strip("|").split("|")[2]
        assert any(character.isdigit() for character in measured), row
        assert "nan" not in measured
