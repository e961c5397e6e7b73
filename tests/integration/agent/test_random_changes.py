"""A short form of the soak: random bursts of changes on a real HAProxy, each of which ends in its last change."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak import bursts

BURSTS = 8


async def test_bursts_of_random_models(short_dir: Path, binary: str) -> None:
    done = await bursts.soak(short_dir, random.randrange(2**32), BURSTS)
    assert done.startswith(f"{BURSTS} bursts of ")
