"""Credentials are renewed before anybody needs them, once for all, and kept when that fails (5.10)."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from botocore.credentials import ReadOnlyCredentials
from prometheus_client import CollectorRegistry

from elbflow import swf
from elbflow.clock import ManualClock
from elbflow.swf import credentials
from elbflow.swf.metrics import CallCounter

HOUR = 3600.0


class Chain:
    """Gives credentials that live for ``life_s``; ``broken`` makes it fail."""

    def __init__(self, clock: ManualClock, life_s: float | None = HOUR) -> None:
        self.clock = clock
        self.life_s = life_s
        self.broken = False
        self.asked = 0
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self) -> credentials.Found | None:
        self.may_go.wait(5)
        self.asked += 1
        if self.broken:
            raise OSError("no network")
        keys = ReadOnlyCredentials(f"key-{self.asked}", "secret", "token", None)
        return credentials.Found(keys, "test", None if self.life_s is None else self.clock.now() + self.life_s)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@asynccontextmanager
async def keeping(chain: Chain, registry: CollectorRegistry) -> AsyncIterator[credentials.Keeper]:
    found = chain()
    assert found is not None
    keeper = credentials.Keeper(found, chain, counter=CallCounter(registry), clock=chain.clock, rng=random.Random(3))
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()


async def key(keeper: credentials.Keeper) -> str:
    return str((await keeper.get_frozen_credentials()).access_key)


async def until(chain: Chain, asked: int) -> None:
    async with asyncio.timeout(5):
        while chain.asked < asked:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("left_s", "least_s", "most_s"), [(HOUR, 300, 360), (12.0, 6.0, 7.2), (1.0, 0.5, 0.6)])
def test_when_to_renew(left_s: float, least_s: float, most_s: float, seed: int) -> None:
    """Five minutes before the end, or after about half of a life that is shorter."""
    wait_s = credentials.renewal_in_s(left_s, 0, random.Random(seed))
    assert least_s - 0.11 * min(left_s, 12) <= left_s - wait_s <= most_s + 0.01


async def test_renewed_in_the_background_before_they_expire(clock: ManualClock, registry: CollectorRegistry) -> None:
    chain = Chain(clock)
    async with keeping(chain, registry) as keeper:
        await clock.advance(HOUR - 361)
        assert await key(keeper) == "key-1"
        await clock.advance(61)
        await until(chain, 2)
        assert await key(keeper) == "key-2"
        assert keeper.version == 2
    assert registry.get_sample_value("swf_cred_refresh_total", {"result": "ok"}) == 1


async def test_old_ones_are_kept_while_the_chain_fails(clock: ManualClock, registry: CollectorRegistry) -> None:
    chain = Chain(clock)
    async with keeping(chain, registry) as keeper:
        chain.broken = True
        with structlog.testing.capture_logs() as logs:
            await clock.advance(HOUR - 300)
            await until(chain, 2)
            await clock.advance(60)
            await until(chain, 3)
            assert await key(keeper) == "key-1"
            chain.broken = False
            before = chain.asked
            await clock.advance(31)
            await until(chain, before + 1)
        assert await key(keeper) == f"key-{before + 1}"
    assert [entry["event"] for entry in logs] == ["swf_credentials_not_renewed", "swf_credentials_renewed"]


async def test_after_a_long_sleep_the_first_request_waits_for_new_ones(
    clock: ManualClock, registry: CollectorRegistry
) -> None:
    chain = Chain(clock)
    async with keeping(chain, registry) as keeper:
        clock.step_wall_clock(2 * HOUR)
        await clock.advance(2)
        assert await asyncio.gather(*(key(keeper) for _ in range(5))) == ["key-2"] * 5
        assert chain.asked == 2


async def test_refused_requests_ask_once_together_and_at_most_every_thirty_seconds(
    clock: ManualClock, registry: CollectorRegistry
) -> None:
    chain = Chain(clock, life_s=None)
    async with keeping(chain, registry) as keeper:
        chain.may_go.clear()
        refused = [asyncio.ensure_future(keeper.refused(1)) for _ in range(10)]
        await asyncio.sleep(0.02)
        chain.may_go.set()
        assert await asyncio.gather(*refused) == [True] * 10
        assert chain.asked == 2
        assert await keeper.refused(1), "others got new ones meanwhile: nothing is asked"
        assert not await keeper.refused(2)
        assert chain.asked == 2
        await clock.advance(30)
        assert await keeper.refused(2)
        assert chain.asked == 3


async def test_a_chain_that_does_not_answer_is_an_error_that_says_what_to_do(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_: object) -> credentials.Found | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(credentials, "CHAIN_TIMEOUT_S", 0.05)
    monkeypatch.setattr(credentials, "_resolved", hangs)
    with pytest.raises(swf.Unauthenticated, match="AWS_EC2_METADATA_DISABLED"):
        async with credentials.kept(None, counter=CallCounter(None), clock=clock, rng=random.Random(1)):
            pass
