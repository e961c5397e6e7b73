"""Faults that keeping credentials once had, one test each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from botocore.credentials import ReadOnlyCredentials

from elbflow.clock import ManualClock
from elbflow.swf import credentials
from elbflow.swf.metrics import CallCounter

LIFE_S = 60.0


class Chain:
    """The keys of ``file`` while it is there, and those of the host, which live for ``life_s``, otherwise."""

    def __init__(self, clock: ManualClock, file: Path, life_s: float = LIFE_S) -> None:
        self.clock = clock
        self.file = file
        self.life_s = life_s
        self.broken = False
        self.asked = 0

    def __call__(self) -> credentials.Found | None:
        self.asked += 1
        if self.broken:
            raise OSError("no network")
        files = (self.file,)
        stamp = credentials.stamp_of(files)
        if self.file.exists():
            keys = ReadOnlyCredentials(self.file.read_text(), "secret", None, None)
            return credentials.Found(keys, "shared-credentials-file", None, files, stamp)
        keys = ReadOnlyCredentials("HOST", "secret", "token", None)
        return credentials.Found(keys, "iam-role", self.clock.now() + self.life_s, files, stamp)


@asynccontextmanager
async def keeping(chain: Chain, *, in_background: bool = True) -> AsyncIterator[credentials.Keeper]:
    found = await asyncio.to_thread(chain)
    assert found is not None
    keeper = credentials.Keeper(found, chain, counter=CallCounter(None), clock=chain.clock, rng=random.Random(3))
    if in_background:
        keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()


async def pass_time(clock: ManualClock, by_s: float) -> None:
    """Advance from one deadline of the background renewal to the next, for it works in threads between them."""
    end = clock.monotonic() + by_s
    async with asyncio.timeout(5):
        while True:
            while (deadline := clock.next_deadline()) is None:
                await asyncio.sleep(0.001)
            if deadline > end:
                break
            await clock.advance(deadline - clock.monotonic())
    await clock.advance(end - clock.monotonic())


async def key(keeper: credentials.Keeper) -> str:
    return str((await keeper.get_frozen_credentials()).access_key)


async def test_the_renewal_survives_another_kind_of_credentials(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "credentials"
    file.write_text("OLD")
    chain = Chain(clock, file)
    async with keeping(chain) as keeper:
        file.unlink()
        await pass_time(clock, 13)
        assert await key(keeper) == "HOST"
        asked = chain.asked
        await pass_time(clock, 10 * LIFE_S)
        assert chain.asked >= asked + 10, "those of the host are renewed before each of their ends"
        chain.life_s = 100 * LIFE_S
        await pass_time(clock, LIFE_S)
        file.write_text("NEW")
        await pass_time(clock, 13)
        assert await key(keeper) == "NEW"
        asked = chain.asked
        await pass_time(clock, LIFE_S)
        assert chain.asked == asked, "those of the file live until it changes"
        file.unlink()
        await pass_time(clock, 13)
        assert await key(keeper) == "HOST"


async def test_expired_keys_given_again_cause_no_storm(tmp_path: Path) -> None:
    clock = ManualClock()
    chain = Chain(clock, tmp_path / "none", life_s=-10.0)
    async with keeping(chain):
        await pass_time(clock, 120)
    assert 5 <= chain.asked <= 40, "about every eight seconds"


async def test_requests_with_expired_keys_ask_at_most_once_a_second(tmp_path: Path) -> None:
    clock = ManualClock()
    chain = Chain(clock, tmp_path / "none", life_s=-10.0)
    async with keeping(chain, in_background=False) as keeper:
        await asyncio.gather(*(key(keeper) for _ in range(50)))
        assert [await key(keeper) for _ in range(50)] == ["HOST"] * 50
        assert chain.asked == 2
        await clock.advance(1)
        await key(keeper)
        assert chain.asked == 3


async def test_refused_requests_with_expired_keys_back_off(tmp_path: Path) -> None:
    clock = ManualClock()
    chain = Chain(clock, tmp_path / "none", life_s=-10.0)
    async with keeping(chain, in_background=False) as keeper:
        chain.broken = True
        asked_at = []
        for second in range(60):
            before = chain.asked
            assert not await keeper.refused(1)
            asked_at += [second] * (chain.asked - before)
            await clock.advance(1)
        assert asked_at == [0, 2, 6, 14, 30]
        chain.broken = False
        chain.file.write_text("NEW")
        assert await keeper.refused(1)
        assert await key(keeper) == "NEW"


def test_what_was_found_shows_no_secret() -> None:
    keys = ReadOnlyCredentials("AKIDEXAMPLE", "very-secret", "session-token", None)
    shown = repr(credentials.Found(keys, "env"))
    assert "env" in shown
    assert "very-secret" not in shown
    assert "session-token" not in shown
