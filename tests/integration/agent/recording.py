"""A process that records a pipe and stores what is finished, until it is killed or told to finish."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

from elbflow import clock, objects
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog

TO = accesslog.Destination("000000000001", "web", "logs", "", 5)


async def main(pipe: Path, spool: Path, store: Path) -> None:
    time, instruments = clock.SystemClock(), meters.Meters()
    parts = accesslog.Spool(spool, cap_bytes=1 << 30, region="home-1", rng=random.SystemRandom())
    shipper = accesslog.Shipper(parts, lambda to: objects.DirectoryObjects(store), instruments=instruments)
    for left in parts.prepare(time.now()):
        shipper.offer(left)
    shipping = asyncio.create_task(shipper.run())
    recorder = accesslog.Recorder(
        pipe,
        "i-1",
        "10.0.0.9",
        accesslog.Shipping(parts, shipper),
        time=time,
        measure=lambda line, weight: None,
        instruments=instruments,
    )
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await recorder.start(TO)
    sys.stdout.write("recording\n")
    sys.stdout.flush()
    await told.wait()
    await recorder.finish()
    await shipper.settled(20.0)
    shipping.cancel()


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
