"""How long workers that reloads replaced may finish, and which of them end first; processes are made up."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import master, old_workers, place, processes, running, runtime
from elbflow_agent.servo import ServoOptions

KEY = ("be-80", "i-1")
SESSIONS = "0x1: proto=tcpv4 fe=fe-80 be=be-80 srv=i-1 ts=00\n0x2: proto=tcpv4 fe=fe-80 be=be-80 srv=i-2 ts=00\n"


@dataclass
class FakeMaster:
    """Workers that obey nobody but signals."""

    old: tuple[int, ...] = ()
    told: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    is_reachable: bool = True

    async def processes(self) -> running.Processes:
        if not self.is_reachable:
            raise runtime.Unreachable("overloaded")
        return running.Processes(1, 2, self.old)

    async def old_worker_sessions(self, pid: int) -> str:
        return SESSIONS

    async def tell_old_worker(self, pid: int, *orders: str) -> None:
        self.told.append((pid, orders))


@dataclass
class Scene:
    subject: old_workers.OldWorkers
    master: FakeMaster
    clock: clock.ManualClock
    killed: list[int]

    async def look(self, *pids: int, promised_s: float = 60, **replaced_s: int) -> float | None:
        self.master.old = pids
        ago = {int(name.removeprefix("p")): seconds for name, seconds in replaced_s.items()}
        return await self.subject.look(running.Processes(1, 2, pids, replaced_s=ago), promised_s)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    killed: list[int] = []
    fake, time = FakeMaster(), clock.ManualClock()

    def kill(pid: int, number: signal.Signals, *, group: bool = False) -> None:
        killed.append(pid)
        fake.old = tuple(each for each in fake.old if each != pid)

    monkeypatch.setattr(processes, "send", kill)

    async def count() -> None:
        subject.seen(fake.old)

    genuine: master.Master = fake  # type: ignore[assignment]
    limits = place.Limits(old_workers=2)
    subject = old_workers.OldWorkers(genuine, limits, count, time=time, instruments=meters.Meters())
    return Scene(subject, fake, time, killed)


async def test_the_longer_promise_counts_less_what_has_passed(scene: Scene) -> None:
    assert await scene.look(promised_s=300) is None
    assert await scene.look(11, promised_s=60) == 300
    assert await scene.look(12, 11, promised_s=60) == 60
    assert await scene.look(14, 13, promised_s=3600, p13=3000) == 600
    assert scene.master.told == []


async def test_all_sessions_end_and_then_the_worker(scene: Scene) -> None:
    await scene.look(12, 11, p11=50, p12=50)
    await scene.clock.advance(10)
    assert await scene.look(12, 11) == 2
    both = tuple(f"shutdown session 0x{number}" for number in (1, 2))
    assert scene.master.told == [(12, both), (11, both)]
    await scene.clock.advance(1)
    assert await scene.look(12, 11) == 1
    await scene.clock.advance(1)
    scene.master.is_reachable = False
    assert await scene.look(12, 11) == 2
    scene.master.is_reachable = True
    await scene.clock.advance(2)
    await scene.look(12, 11)
    assert scene.killed == [12, 11]
    assert len(scene.master.told) == 2
    assert await scene.look() is None


async def test_the_oldest_of_too_many_ends_and_departed_servers_are_gone_sooner(scene: Scene) -> None:
    scene.subject.left(11, {KEY: scene.clock.monotonic() + 5})
    assert await scene.look(11) == 5
    await scene.clock.advance(5)
    assert await scene.look(13, 12, 11) == 2
    assert [pid for pid, _ in scene.master.told] == [11]
    assert await scene.look() is None
    scene.subject.left(14, {KEY: scene.clock.monotonic() + 5})
    assert await scene.look(14) == 5
    await scene.clock.advance(5)
    assert await scene.look(14) == 55
    assert scene.master.told[1:] == [(14, ("shutdown session 0x1",))]


def test_the_promise_is_the_draining_timeout_or_the_limit() -> None:
    options = ServoOptions("127.0.0.1", Path("/nowhere"), "haproxy", limits=place.Limits(hard_stop_s=300))
    off = document.LoadBalancerDocument(document.LoadBalancerKey("000000000001", "web"), 1, "local-1a")
    on = replace(off, attributes=document.Attributes(draining_enabled=True, draining_timeout_s=3600))
    assert [options.old_worker_s(each) for each in (None, off, on)] == [300, 300, 3600]
    assert [options.drain_s(each) for each in (None, off, on)] == [5, 5, 3600]
    assert place.Limits().backstop_s > 4000
