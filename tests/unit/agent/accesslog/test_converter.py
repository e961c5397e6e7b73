"""Large parts are converted by a process of their own, which leaves nothing behind whoever dies."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import subprocess
import tempfile
from pathlib import Path

import pytest

from elbflow_agent import meters
from elbflow_agent.accesslog import converter, lines, shipper, spool

TO = spool.Destination("000000000001", "web", "logs", "", 5)
SLEEPING = ("/bin/sh", "-c", 'echo $$ > "$0.pid"; exec sleep 60')
"""Instead of an interpreter, which has to wait for all others on a busy machine."""


def line(number: int) -> bytes:
    return (
        f'["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
        f"{{|||||test||}} {{0|}} GET /n/{number} HTTP/1.1\n"
    ).encode()


RAW = b"".join(map(line, range(3000))) + b'["nonsense\n' + line(3000).rstrip(b"\n")


@pytest.fixture
def parts(tmp_path: Path) -> spool.Spool:
    made = spool.Spool(tmp_path / "spool", cap_bytes=1 << 30, region="home-1", rng=random.Random(1))
    made.prepare(0.0)
    return made


@pytest.fixture
def part(parts: spool.Spool) -> Path:
    path = parts.directory / "i-1.300-x.ready"
    path.write_bytes(spool._HEADER.dump_json(spool.Header(TO, "key", 300)) + b"\n" + RAW)
    parts.count(path, path.stat().st_size)
    return path


async def alone(parts: spool.Spool, part: Path) -> None:
    """Nothing but the part is on disk and counted."""
    assert await asyncio.to_thread(os.listdir, parts.directory) == [part.name]
    assert parts.used_bytes == (await asyncio.to_thread(part.stat)).st_size


async def test_a_process_makes_of_a_part_what_this_one_would(parts: spool.Spool, part: Path) -> None:
    assert len(RAW) > converter._TINY_BYTES
    found = await converter.Converter(parts).converted(part, "web", urgent=True)
    assert found == lines.convert(RAW, "web")
    assert (found.lines, found.unreadable) == (3001, 1)
    await alone(parts, part)


async def test_a_conversion_that_is_killed_is_repeated_and_stored_once(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Store:
        def __init__(self) -> None:
            self.bodies: list[bytes] = []

        async def put(self, bucket: str, key: str, body: bytes) -> None:
            self.bodies.append(body)

    genuine, store, instruments = converter._COMMAND, Store(), meters.Meters()
    killed = ("/bin/sh", "-c", "echo 1 line; kill -9 $$", "-")
    monkeypatch.setattr(converter, "_COMMAND", killed)
    with pytest.raises(converter.NotConverted, match="ended with -9"):
        await converter.Converter(parts).converted(part, "web", urgent=False)
    ships = shipper.Shipper(parts, lambda to: store, instruments=instruments, backoff_s=(0.01,))
    running = asyncio.create_task(ships.run())
    ships.offer(part)
    failed = instruments.access_log_objects.labels("failed")._value
    async with asyncio.timeout(10):
        while not failed.get():
            await asyncio.sleep(0.01)
    monkeypatch.setattr(converter, "_COMMAND", genuine)
    assert await ships.settled(30.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert store.bodies == [lines.convert(RAW, "web").body]
    assert await asyncio.to_thread(os.listdir, parts.directory) == []
    assert parts.used_bytes == 0


async def test_what_a_process_said_before_it_was_killed_does_not_count(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "_COMMAND", ("/bin/sh", "-c", "echo 1 0 >&2; kill -9 $$", "-"))
    with pytest.raises(converter.NotConverted, match="ended with -9"):
        await converter.Converter(parts).converted(part, "web", urgent=False)


async def test_on_a_full_disk_parts_become_objects_which_makes_room(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their lines were written to that disk, so none of them was ever stored, and all that followed were dropped."""
    genuine = os.statvfs(parts.directory)

    def full(where: Path) -> os.statvfs_result:
        return os.statvfs_result((*genuine[:4], 0, *genuine[5:]))

    def refuse(**where: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "statvfs", full)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert await converter.Converter(parts).converted(part, "web", urgent=False) == lines.convert(RAW, "web")
    await alone(parts, part)


async def sleeper(part: Path) -> int:
    """Pid of the process that converts by sleeping."""
    told = part.with_name(f"{part.name}.pid")
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(lambda: told.exists() and told.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
    pid = int(await asyncio.to_thread(told.read_text))
    await asyncio.to_thread(told.unlink)
    return pid


async def test_who_stops_waiting_stops_the_process(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "_COMMAND", SLEEPING)
    task = asyncio.create_task(converter.Converter(parts).converted(part, "web", urgent=False))
    pid = await sleeper(part)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await alone(parts, part)


async def test_large_parts_follow_one_another_and_an_urgent_one_nobody(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "_COMMAND", SLEEPING)
    others = [part.with_name(f"i-{number}.300-x.ready") for number in (2, 3)]
    for other in others:
        await asyncio.to_thread(other.write_bytes, await asyncio.to_thread(part.read_bytes))
    converting = converter.Converter(parts)
    tasks = [asyncio.create_task(converting.converted(part, "web", urgent=False))]
    await sleeper(part)
    tasks += [
        asyncio.create_task(converting.converted(other, "web", urgent=urgent))
        for other, urgent in zip(others, (False, True), strict=True)
    ]
    urgent = await sleeper(others[1])
    assert os.getpriority(os.PRIO_PROCESS, urgent) == os.getpriority(os.PRIO_PROCESS, 0)
    assert not await asyncio.to_thread(others[0].with_name(f"{others[0].name}.pid").exists)
    tasks[0].cancel()
    await sleeper(others[0])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_leaves_gives_way_to_nobody(parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter, "_COMMAND", SLEEPING)
    converting = converter.Converter(parts)
    converting.hurry()
    task = asyncio.create_task(converting.converted(part, "web", urgent=False))
    assert os.getpriority(os.PRIO_PROCESS, await sleeper(part)) == os.getpriority(os.PRIO_PROCESS, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("leaving", [False, True], ids=["full", "leaving"])
async def test_a_full_spool_and_who_leaves_do_not_wait_for_a_process_that_everybody_else_precedes(
    parts: spool.Spool, part: Path, monkeypatch: pytest.MonkeyPatch, leaving: bool
) -> None:
    genuine = converter._COMMAND
    monkeypatch.setattr(converter, "_COMMAND", SLEEPING)
    monkeypatch.setattr(converter, "_LOOK_S", 0.02)
    converting = converter.Converter(parts)
    task = asyncio.create_task(converting.converted(part, "web", urgent=False))
    await sleeper(part)
    monkeypatch.setattr(converter, "_COMMAND", genuine)
    if leaving:
        converting.hurry()
    else:
        parts.count(parts.directory / "i-2.300-x.ready", 1 << 29)
    assert await task == lines.convert(RAW, "web")


def test_a_process_whose_agent_died_ends(part: Path) -> None:
    """Its standard output would be kept by nobody."""
    done = subprocess.run([*converter._COMMAND, str(part), "web", "1"], check=True, capture_output=True)
    assert done.stderr == b"", "it says nothing of lines that it has written"
    assert done.stdout.count(b"\n") < 3000
