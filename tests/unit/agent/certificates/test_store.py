"""When certificates are downloaded, and what is answered meanwhile (spec/vm-agent-data-plane REQ-7.4)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import prometheus_client
import pytest

from elbflow import clock, errors
from elbflow_agent.certificates import meters, schedule, store
from elbflow_agent.certificates.model import Bundle, Missing

ARN, OTHER = "arn:aws:iam::1:server-certificate/a", "arn:aws:iam::1:server-certificate/b"
DAY = 86400.0


class Iam:
    """What downloads bring, by ARN; an exception is raised."""

    def __init__(self, time: clock.ManualClock) -> None:
        self.time = time
        self.has: dict[str, bytes | Exception] = {}
        self.asked: list[tuple[float, str]] = []
        self.lives_s = 90 * DAY

    async def download(self, arn: str) -> store.Downloaded:
        self.asked.append((self.time.monotonic(), arn))
        found = self.has[arn]
        if isinstance(found, Exception):
            raise found
        return store.Downloaded(found, self.time.now() + self.lives_s)


class Desk:
    def __init__(self) -> None:
        self.time = clock.ManualClock()
        self.iam = Iam(self.time)
        self.registry = prometheus_client.CollectorRegistry()
        self.changes = 0
        self.source = store.Certificates(
            self.iam.download, time=self.time, rng=random.Random(1), instruments=meters.Meters(self.registry)
        )
        self.source.subscribe(self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"elbflow_agent_{name}", labels) or 0.0


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    async with made.source:
        yield made


async def settled(condition: Callable[[], bool] = lambda: True) -> None:
    for _ in range(50):
        await asyncio.sleep(0)
    assert condition()


async def test_what_is_wanted_is_there_when_want_returns(desk: Desk) -> None:
    desk.iam.has = {ARN: b"a", OTHER: b"b"}
    await desk.source.want(frozenset({ARN, OTHER}))
    assert desk.source.bundle(ARN) == Bundle.of(ARN, b"a")
    assert desk.source.bundle(OTHER) == Bundle.of(OTHER, b"b")
    assert desk.changes == 2
    await desk.source.want(frozenset({OTHER}))
    assert desk.source.bundle(ARN) == Missing(f"certificate {ARN} is not wanted")
    assert len(desk.iam.asked) == 2, "what is held is not asked for again"
    assert desk.value("certificates_missing") == 0
    assert desk.value("certificate_downloads_total", outcome="changed") == 2


async def test_failures_are_repeated_more_and_more_seldom(desk: Desk) -> None:
    desk.iam.has = {ARN: errors.Retryable("IAM does not answer")}
    await desk.source.want(frozenset({ARN}))
    found = desk.source.bundle(ARN)
    assert found == Missing(f"certificate {ARN} cannot be had: IAM does not answer")
    assert desk.value("certificates_missing") == 1
    for _ in range(12):
        await desk.time.advance(schedule.LAST_RETRY_S)
        await settled()
    times = [at for at, _ in desk.iam.asked]
    assert len(times) > 12
    desk.iam.has[ARN] = b"a"
    await desk.time.advance(schedule.LAST_RETRY_S)
    await settled(lambda: desk.source.bundle(ARN) == Bundle.of(ARN, b"a"))
    assert desk.value("certificates_missing") == 0


def test_retries_grow_from_a_second_to_five_minutes() -> None:
    rng = random.Random(2)
    waits = [schedule.retry_in_s(failures, rng) for failures in range(1, 40)]
    assert 0.75 <= waits[0] <= 1.0
    assert 3.0 <= waits[2] <= 4.0
    assert all(225.0 <= wait <= 300.0 for wait in waits[10:])


async def test_other_content_under_the_same_name_is_noticed(desk: Desk) -> None:
    desk.iam.has = {ARN: b"old"}
    await desk.source.want(frozenset({ARN}))
    desk.iam.has = {ARN: b"new"}
    await desk.time.advance(schedule.REFRESH_S * 1.11)
    await settled(lambda: desk.source.bundle(ARN) == Bundle.of(ARN, b"new"))
    assert desk.changes == 2
    desk.iam.has = {ARN: b"newest"}
    desk.source.look()
    await settled(lambda: desk.source.bundle(ARN) == Bundle.of(ARN, b"newest"))


async def test_what_was_had_is_kept_while_it_cannot_be_had_again(desk: Desk) -> None:
    desk.iam.has = {ARN: b"a"}
    await desk.source.want(frozenset({ARN}))
    desk.iam.has = {ARN: errors.Permanent("NoSuchEntity")}
    await desk.time.advance(schedule.REFRESH_S * 1.11)
    await settled(lambda: len(desk.iam.asked) > 2)
    assert desk.source.bundle(ARN) == Bundle.of(ARN, b"a")
    assert desk.changes == 1
    assert desk.value("certificate_downloads_total", outcome="failed") == len(desk.iam.asked) - 1


async def test_a_certificate_at_its_end_is_looked_at_every_hour(desk: Desk) -> None:
    desk.iam.lives_s = 3 * DAY
    desk.iam.has = {ARN: b"ending"}
    await desk.source.want(frozenset({ARN}))
    desk.iam.has = {ARN: b"renewed"}
    await desk.time.advance(schedule.NEAR_REFRESH_S * 1.11)
    await settled(lambda: desk.source.bundle(ARN) == Bundle.of(ARN, b"renewed"))


@pytest.mark.parametrize(
    ("left_s", "lowest", "highest"),
    [
        (90 * DAY, 5.4 * 3600, 6.6 * 3600),
        (7 * DAY + 3600, 1.8 * 3600, 2.2 * 3600),
        (6 * DAY, 0.9 * 3600, 1.1 * 3600),
        (-DAY, 0.9 * 3600, 1.1 * 3600),
    ],
)
def test_refreshes(left_s: float, lowest: float, highest: float) -> None:
    rng = random.Random(3)
    waits = [schedule.refresh_in_s(left_s, rng) for _ in range(200)]
    assert lowest <= min(waits) < max(waits) <= highest


async def test_a_vm_that_must_be_replaced_asks_seldom(desk: Desk) -> None:
    """Asking with an expired delegation certificate is of no use until somebody replaces the VM (REQ-7.4)."""
    desk.iam.has = {ARN: store.NeedsRecycling("replace the VM")}
    await desk.source.want(frozenset({ARN}))
    await desk.time.advance(schedule.LAST_RETRY_S - 1)
    await settled(lambda: len(desk.iam.asked) == 1)
    await desk.time.advance(2)
    await settled(lambda: len(desk.iam.asked) == 2)


async def test_a_want_that_is_given_up_goes_on(desk: Desk) -> None:
    entered = asyncio.Event()

    async def slow(_: str) -> store.Downloaded:
        entered.set()
        await desk.time.sleep(5)
        return store.Downloaded(b"late", desk.time.now() + DAY)

    source = store.Certificates(slow, time=desk.time, rng=random.Random(1), instruments=meters.Meters())
    async with source:
        wanting = asyncio.create_task(source.want(frozenset({ARN})))
        await entered.wait()
        wanting.cancel()
        await asyncio.gather(wanting, return_exceptions=True)
        await desk.time.advance(6)
        await settled(lambda: source.bundle(ARN) == Bundle.of(ARN, b"late"))


async def test_a_defect_is_no_end(desk: Desk) -> None:
    desk.iam.has = {ARN: RuntimeError("a defect")}
    await desk.source.want(frozenset({ARN}))
    assert desk.source.bundle(ARN) == Missing(f"certificate {ARN} cannot be had: RuntimeError")
    desk.iam.has = {ARN: b"a"}
    await desk.time.advance(2)
    await settled(lambda: desk.source.bundle(ARN) == Bundle.of(ARN, b"a"))
