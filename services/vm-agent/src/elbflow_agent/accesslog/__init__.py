"""Access logs: from HAProxy's pipe through a spool on disk to objects in a bucket (spec/vm-agent-data-plane 6)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from elbflow import clock, objects, tasks
from elbflow_agent import meters
from elbflow_agent.accesslog.recorder import Recorder, Shipping
from elbflow_agent.accesslog.shipper import Shipper
from elbflow_agent.accesslog.spool import Destination, Spool

__all__ = ["Destination", "Recorder", "Shipper", "Shipping", "ShippingOptions", "Spool", "shipping"]


@dataclass(frozen=True, slots=True)
class ShippingOptions:
    """``directory`` holds objects in S3's stead; ``endpoint`` None is AWS's S3 of ``region``."""

    spool: Path
    cap_bytes: int
    region: str
    directory: Path | None = None
    endpoint: str | None = None


@contextlib.asynccontextmanager
async def shipping(
    options: ShippingOptions, *, time: clock.Clock, rng: random.Random, instruments: meters.Meters, last_s: float = 0.0
) -> AsyncIterator[Shipping]:
    """Store what VMs record, and what earlier processes left. On exit what waits has ``last_s`` seconds."""
    parts = Spool(options.spool, cap_bytes=options.cap_bytes, region=options.region, rng=rng)
    left = await asyncio.to_thread(parts.prepare, time.now())
    async with objects.opened(options.directory, region=options.region, endpoint=options.endpoint) as store:
        shipper = Shipper(parts, store, instruments=instruments)
        for path in left:
            shipper.offer(path)
        supervisor = tasks.Supervisor()
        running = supervisor.start(shipper.run(), "access-log-shipper")
        try:
            yield Shipping(parts, shipper)
        finally:
            await shipper.settled(last_s)
            running.cancel()
            await supervisor.drain(1.0)
