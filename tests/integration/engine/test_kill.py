"""A short form of the soak: SIGKILL under load, again and again (spec/swf-semantics 13.12)."""

from __future__ import annotations

from pathlib import Path

from tests.soak.engine_kill import Soak

KILLS = 6
SEED = 7


async def test_kills_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    soak = Soak(tmp_path / "engine", SEED, scale=3, steps=2, shortest_load_s=0.1, longest_load_s=0.6)
    await soak.run(KILLS)
    assert soak.kills >= KILLS
    assert len(soak.ledger.started) > 20
    assert soak.checked > len(soak.ledger.started)
