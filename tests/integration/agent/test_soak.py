"""A short form of the soak: every kind of change, certificates, kills, and no failed request."""

from __future__ import annotations

import random
from pathlib import Path

from tests.soak.data_plane import Size, Soak

SIZE = Size(changes=15, kills=1, outage_s=0.3, steady=0, kept=20, fresh=10)


async def test_changes_and_kills_under_load_fail_no_request(short_dir: Path, binary: str, may_block: None) -> None:
    done = await Soak(short_dir, random.randrange(2**32), SIZE).run()
    assert " 0 failed" in done
