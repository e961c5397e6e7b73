"""The foreign-tenant scenario runs and produces figures: its quick variant, without a word about how good they are."""

from __future__ import annotations

import subprocess

import pytest
from tests.bench import engine_all

DEADLINE_S = 100.0
FIGURES = 11


@pytest.mark.timeout(120)
def test_the_quick_scenario_gives_its_figures() -> None:
    command = engine_all.command("polling_tenants", quick=True)
    output = subprocess.run(command, cwd=engine_all.ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    assert output.returncode == 0, output.stderr[-3000:]
    rows = engine_all.rows_of("polling_tenants", output.stdout.splitlines())
    assert len(rows) == FIGURES
    for row in rows:
        measured = row.strip("|").split("|")[2]
        assert any(character.isdigit() for character in measured), row
        assert "nan" not in measured
