"""Parts become objects whatever happens to one of them."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from elbflow_agent import meters
from elbflow_agent.accesslog import lines, shipper, spool

TO = spool.Destination("000000000001", "web", "logs", "", 5)
LINE = (
    b'["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
    b"{|||||test||} {0|} GET / HTTP/1.1\n"
)


class Store:
    def __init__(self) -> None:
        self.keys: list[str] = []

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        self.keys.append(key)


def part(parts: spool.Spool, name: str) -> Path:
    path = parts.directory / f"{name}.300-x.ready"
    path.write_bytes(spool._HEADER.dump_json(spool.Header(TO, name, 300)) + b"\n" + LINE)
    parts.count(path, path.stat().st_size)
    return path


async def test_a_part_that_breaks_the_shipper_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one line in the log of one load balancer would end the shipping of all on the host."""
    instruments, store = meters.Meters(), Store()
    parts = spool.Spool(tmp_path / "spool", cap_bytes=1 << 20, region="home-1", rng=random.Random(1))
    await asyncio.to_thread(parts.prepare, 0.0)
    bad, good = [await asyncio.to_thread(part, parts, name) for name in ("bad", "good")]
    genuine = lines.convert
    broken = [ValueError("no such line")]

    def convert(raw: bytes, name: str) -> lines.Converted:
        if broken:
            raise broken.pop()
        return genuine(raw, name)

    monkeypatch.setattr(lines, "convert", convert)
    ships = shipper.Shipper(parts, lambda to: store, instruments=instruments, backoff_s=(0.01,))
    running = asyncio.create_task(ships.run())
    ships.offer(bad)
    ships.offer(good)
    assert await ships.settled(5.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(store.keys) == ["bad", "good"]
    assert parts.used_bytes == 0
    outcomes = {name: instruments.access_log_objects.labels(name)._value.get() for name in ("stored", "failed")}
    assert outcomes == {"stored": 2.0, "failed": 1.0}
    assert instruments.access_log_lines.labels("stored")._value.get() == 2.0


async def test_a_part_that_somebody_removed_takes_no_room_and_is_not_waited_for(tmp_path: Path) -> None:
    """Its bytes counted until the agent ended, so that lines were dropped in a spool that had been emptied by hand."""
    instruments, store = meters.Meters(), Store()
    parts = spool.Spool(tmp_path / "spool", cap_bytes=1 << 20, region="home-1", rng=random.Random(1))
    await asyncio.to_thread(parts.prepare, 0.0)
    gone = await asyncio.to_thread(part, parts, "gone")
    await asyncio.to_thread(gone.unlink)
    ships = shipper.Shipper(parts, lambda to: store, instruments=instruments)
    running = asyncio.create_task(ships.run())
    ships.offer(gone)
    assert await ships.settled(5.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (store.keys, parts.used_bytes) == ([], 0)
    assert instruments.access_log_objects.labels("failed")._value.get() == 0.0
