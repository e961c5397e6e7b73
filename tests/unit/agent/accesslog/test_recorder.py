"""What the pipe holds is taken whole, however small the second pipe is."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.accesslog import pipe as pipes
from elbflow_agent.accesslog import recorder
from elbflow_agent.haproxy import logs

TO = accesslog.Destination("000000000001", "web", "logs", "", 60)
LINE = (
    b'["H",0,7,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
    b"{|||||test||} {0|} GET / HTTP/1.1\n"
)
MANY = 5000


class Store:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        self.bodies.append(body)


class Bench:
    """A recorder of a pipe that HAProxy has filled, whose second pipe has the size that systems give to everybody."""

    def __init__(self, directory: Path) -> None:
        self.spool = directory / "spool"
        self.measured = 0.0
        self.told = 0
        self.store = Store()
        where = directory / "pipe"
        for each in (where, logs.taken(where)):
            os.mkfifo(each)
        self.writer, self.taken = (os.open(each, os.O_RDWR | os.O_NONBLOCK) for each in (where, logs.taken(where)))
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 1 << 20)
        instruments, time = meters.Meters(), clock.SystemClock()
        parts = accesslog.Spool(self.spool, cap_bytes=1 << 30, region="home-1", rng=random.Random(1))
        parts.prepare(time.now())
        self.shipper = accesslog.Shipper(parts, lambda to: self.store, instruments=instruments)
        self.recorder = accesslog.Recorder(
            where,
            "i-1",
            "10.0.0.9",
            accesslog.Shipping(parts, self.shipper),
            time=time,
            measure=self.measure,
            instruments=instruments,
            troubled=self.tell,
        )

    def tell(self) -> None:
        self.told += 1

    def measure(self, line: logs.Short, weight: float) -> None:
        assert line.latency_ms == 7
        self.measured += weight

    def write(self) -> None:
        for _ in range(MANY):
            os.write(self.writer, LINE)

    def lines(self) -> int:
        """Lines on disk, one of them the part's own."""
        return sum(path.read_bytes().count(b"\n") for path in self.spool.iterdir())


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(pipes.Pipe, "enlarge", lambda pipe: None)
    made = await asyncio.to_thread(Bench, tmp_path)
    yield made
    await made.recorder.leave()
    os.close(made.writer)
    os.close(made.taken)


async def test_a_recorder_that_finishes_loses_nothing_when_its_second_pipe_is_small(bench: Bench) -> None:
    """One system call moves what fits into the second pipe; the rest was left to nobody."""
    await asyncio.to_thread(bench.write)
    await bench.recorder.start(TO)
    await bench.recorder.finish()
    assert await asyncio.to_thread(bench.lines) == MANY + 1


async def test_who_has_caught_up_has_measured_every_line(bench: Bench) -> None:
    await bench.recorder.start(TO)
    await asyncio.to_thread(bench.write)
    await bench.recorder.catch_up()
    assert bench.measured == pytest.approx(MANY, rel=0.01)
    assert await asyncio.to_thread(bench.lines) == MANY + 1


async def test_who_stops_waiting_for_lines_does_not_stop_the_reading(bench: Bench) -> None:
    await bench.recorder.start(TO)
    await asyncio.to_thread(bench.write)
    waiting = [asyncio.create_task(bench.recorder.catch_up()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await asyncio.to_thread(bench.lines) == MANY + 1


async def test_who_leaves_publishes_what_is_in_the_pipe_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_SHORT_STRIDE_S", 0.5)
    await bench.recorder.start(TO)
    os.write(bench.writer, LINE)
    await bench.recorder.catch_up()
    await asyncio.to_thread(bench.write)
    await bench.recorder.leave(publish_s=30.0)
    assert [body.count(b"\n") for body in bench.store.bodies] == [MANY + 1]


async def test_who_has_left_does_not_hear_of_the_troubles_of_others(bench: Bench) -> None:
    await bench.recorder.start(TO)
    for _ in range(3):
        bench.shipper.troubles.failed(TO, ValueError())
    assert bench.told == 1
    await bench.recorder.leave()
    bench.shipper.troubles.stored(TO)
    assert bench.told == 1


async def test_a_recorder_that_cannot_begin_keeps_nothing_open_and_hears_of_nothing(bench: Bench) -> None:
    """Whoever tries again makes another one; each left its pipes open, and was told of troubles for good."""
    await asyncio.to_thread(bench.spool.rmdir)
    held = await asyncio.to_thread(os.listdir, "/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        await bench.recorder.start(TO)
    assert len(await asyncio.to_thread(os.listdir, "/proc/self/fd")) == len(held)
    for _ in range(3):
        bench.shipper.troubles.failed(TO, ValueError())
    assert bench.told == 0
