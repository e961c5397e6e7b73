"""Targets, thresholds and the schedule of checks, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator

import pytest

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.health import checks, probe, target, tracker

IN, OUT, UNKNOWN = (
    document.InstanceState.IN_SERVICE,
    document.InstanceState.OUT_OF_SERVICE,
    document.InstanceState.UNKNOWN,
)
CHECK = document.HealthCheck("HTTP:8000/ping", interval_s=10, timeout_s=2, unhealthy_threshold=2, healthy_threshold=3)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("HTTP:8000/ping", target.Target(target.Scheme.HTTP, 8000, "/ping")),
        ("http:80/a:b?c=HTTP:1", target.Target(target.Scheme.HTTP, 80, "/a:b?c=HTTP:1")),
        ("HTTPS:443/", target.Target(target.Scheme.HTTPS, 443, "/")),
        ("TCP:22", target.Target(target.Scheme.TCP, 22)),
        ("SSL:65535", target.Target(target.Scheme.SSL, 65535)),
    ],
)
def test_targets(text: str, parsed: target.Target) -> None:
    assert target.parse(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HTTP:80",
        "TCP:80/x",
        "TCP:0",
        "TCP:65536",
        "UDP:1",
        "HTTP:80/a b",
        "HTTP:80/a\r\nX: y",
        "HTTP/80:x",
        "TCP:1\n",
    ],
)
def test_bad_targets(text: str) -> None:
    with pytest.raises(target.InvalidTarget):
        target.parse(text)


def run(health: tracker.Health, results: str) -> tracker.Health:
    for result in results:
        health = tracker.advance(health, result == "+", CHECK)
    return health


@pytest.mark.parametrize(
    ("results", "state", "rotation"),
    [
        ("", UNKNOWN, False),
        ("++", UNKNOWN, False),
        ("+++", IN, True),
        ("-", UNKNOWN, False),
        ("--", OUT, False),
        ("++-++", UNKNOWN, False),
        ("+++-", IN, True),
        ("+++-+-", IN, True),
        ("+++--", OUT, False),
        ("+++--++", OUT, False),
        ("+++--+++", IN, True),
        ("+++--++-+++", IN, True),
    ],
)
def test_thresholds(results: str, state: document.InstanceState, rotation: bool) -> None:
    health = run(tracker.Health(), results)
    assert (health.state, health.in_rotation) == (state, rotation)


def test_a_stale_state_is_unknown_but_keeps_its_traffic() -> None:
    stale = run(tracker.Health(), "+++").stale()
    assert (stale.state, stale.in_rotation) == (UNKNOWN, True)
    assert run(stale, "-").in_rotation
    assert not run(stale, "--").in_rotation
    assert run(stale, "+++").state is IN


class Probes:
    """Answers probes by script and notes when they came."""

    def __init__(self, time: clock.ManualClock) -> None:
        self.time = time
        self.verdicts: dict[str, probe.Verdict] = {}
        self.at: dict[str, list[float]] = {}
        self.takes_s = 0.0

    async def __call__(self, address: str, _: target.Target, __: float, ___: clock.Clock) -> probe.Verdict:
        self.at.setdefault(address, []).append(self.time.monotonic())
        await self.time.sleep(self.takes_s)
        return self.verdicts.get(address, probe.Verdict.PASSED)


@pytest.fixture
def time() -> clock.ManualClock:
    return clock.ManualClock()


@pytest.fixture
def probes(time: clock.ManualClock) -> Probes:
    return Probes(time)


@pytest.fixture
def news() -> list[str]:
    return []


@pytest.fixture
async def subject(time: clock.ManualClock, probes: Probes, news: list[str]) -> AsyncIterator[checks.Checks]:
    made = checks.Checks(
        time=time,
        rng=random.Random(1),
        instruments=meters.Meters(),
        changed=lambda: news.append("changed"),
        probing=probes,
    )
    yield made
    await made.aclose()


def state(subject: checks.Checks, instance_id: str = "a") -> document.InstanceState:
    return subject.states()[instance_id].state


async def test_fixed_rate_whatever_a_probe_takes(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    probes.takes_s = 1.5
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(60)
    at = probes.at["10.0.0.1"]
    assert at[0] <= 1.0
    assert 5.0 <= at[1] - at[0] <= 10.0
    assert [round(later - earlier, 6) for earlier, later in itertools.pairwise(at[1:])] == [10.0] * (len(at) - 2)
    assert len(at) >= 6


async def test_checks_that_begin_together_do_not_stay_together(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    subject.configure(CHECK, {f"i-{number}": f"10.0.0.{number}" for number in range(100)})
    await time.advance(60)
    first = [at[0] for at in probes.at.values()]
    later = [at[3] % 10.0 for at in probes.at.values()]
    assert max(first) <= 1.0
    assert max(sum(start <= instant < start + 1.0 for instant in later) for start in range(10)) <= 35


async def test_instants_that_were_missed_are_skipped(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    probes.takes_s = 25
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(100)
    at = probes.at["10.0.0.1"]
    assert {round(later - earlier, 6) for earlier, later in itertools.pairwise(at[1:])} == {30.0}


async def test_the_second_probe_of_a_slow_instance_is_early_or_follows_the_first_at_once(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    probes.takes_s = 8.0
    subject.configure(CHECK, {f"i-{number}": f"10.0.0.{number}" for number in range(50)})
    await time.advance(40)
    gaps = [round(at[1] - at[0], 6) for at in probes.at.values()]
    assert min(gaps) == 8.0
    assert 9.0 < max(gaps) <= 10.0
    assert {round(at[2] - at[1], 6) for at in probes.at.values()} == {10.0}


async def test_in_service_after_the_threshold_and_said_once(
    subject: checks.Checks, time: clock.ManualClock, news: list[str]
) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(15)
    assert not subject.in_rotation("a")
    await time.advance(6.5)
    assert subject.in_rotation("a")
    await time.advance(100)
    assert news == ["changed"]


async def test_a_stalled_process_judges_nobody(subject: checks.Checks, time: clock.ManualClock, probes: Probes) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(30)
    probes.verdicts["10.0.0.1"] = probe.Verdict.STALLED
    await time.advance(200)
    assert state(subject) is IN
    probes.verdicts["10.0.0.1"] = probe.Verdict.FAILED
    await time.advance(20)
    assert state(subject) is OUT


async def test_reconfiguration_never_empties_a_back_end(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(30)
    other = document.HealthCheck("TCP:9", 5, 2, 2, 10)
    subject.configure(other, {"a": "10.0.0.1", "b": "10.0.0.2"})
    assert (state(subject), state(subject, "b")) == (IN, UNKNOWN)
    probes.verdicts["10.0.0.1"] = probe.Verdict.FAILED
    await time.advance(12)
    assert state(subject) is OUT


async def test_an_invalid_target_changes_nothing(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    with pytest.raises(target.InvalidTarget):
        subject.configure(document.HealthCheck("GOPHER:1"), {})
    await time.advance(35)
    assert state(subject) is IN
    assert len(probes.at["10.0.0.1"]) == 4


async def test_a_moved_instance_is_probed_where_it_is(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(30)
    subject.configure(CHECK, {"a": "10.0.0.7"})
    assert state(subject) is IN
    await time.advance(30)
    assert len(probes.at["10.0.0.7"]) in (3, 4)


async def test_removed_instances_are_checked_no_more(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    subject.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(15)
    subject.configure(CHECK, {})
    await time.advance(50)
    assert len(probes.at["10.0.0.1"]) == 2
    assert not subject.in_rotation("a")


async def test_restored_states_hold_and_spread_their_probes(
    subject: checks.Checks, time: clock.ManualClock, probes: Probes
) -> None:
    healthy = tracker.Health(IN, in_rotation=True, description="")
    subject.restore({f"i{number}": healthy for number in range(40)})
    subject.configure(CHECK, {f"i{number}": f"10.0.0.{number}" for number in range(40)})
    assert all(subject.in_rotation(f"i{number}") for number in range(40))
    await time.advance(10)
    firsts = [at[0] for at in probes.at.values()]
    assert len(firsts) == 40
    assert max(firsts) - min(firsts) > 5


async def test_without_a_health_check_instances_get_traffic_and_nothing_is_claimed(subject: checks.Checks) -> None:
    subject.configure(None, {"a": "10.0.0.1"})
    assert subject.in_rotation("a")
    assert state(subject) is UNKNOWN


async def test_a_broken_probe_does_not_end_the_checks(time: clock.ManualClock, logs: list[dict[str, object]]) -> None:
    calls: list[float] = []

    async def broken(*_: object) -> probe.Verdict:
        calls.append(time.monotonic())
        raise ZeroDivisionError

    made = checks.Checks(
        time=time, rng=random.Random(1), instruments=meters.Meters(), changed=lambda: None, probing=broken
    )
    made.configure(CHECK, {"a": "10.0.0.1"})
    await time.advance(30)
    await made.aclose()
    assert len(calls) == 4
    assert {event["event"] for event in logs} == {"health_probe_broken"}
    assert asyncio.all_tasks() == {asyncio.current_task()}
