"""Access logs: from HAProxy's pipe through a spool on disk to objects in a bucket (spec/vm-agent-data-plane 6)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from elbflow import clock, objects, signers, tasks
from elbflow_agent import meters
from elbflow_agent.accesslog.recorder import Recorder, Shipping
from elbflow_agent.accesslog.shipper import Shipper
from elbflow_agent.accesslog.spool import Destination, Spool

__all__ = ["Destination", "Recorder", "Shipper", "Shipping", "ShippingOptions", "Signers", "Spool", "shipping"]


@dataclass(frozen=True, slots=True)
class ShippingOptions:
    """``directory`` holds objects in S3's stead; ``endpoint`` None is AWS's S3 of ``region``."""

    spool: Path
    cap_bytes: int
    region: str
    directory: Path | None = None
    endpoint: str | None = None


class Signers(Protocol):
    """Whose keys S3 is asked with."""

    def of(self, to: Destination) -> signers.Signer:
        """Whoever stores what goes ``to`` there."""


@contextlib.asynccontextmanager
async def shipping(
    options: ShippingOptions,
    *,
    time: clock.Clock,
    rng: random.Random,
    instruments: meters.Meters,
    last_s: float = 0.0,
    signers: Signers | None = None,
) -> AsyncIterator[Shipping]:
    """Store what VMs record, and what earlier processes left. On exit what waits has ``last_s`` seconds.

    ``signers`` say in whose name S3 is asked; None is the process itself.
    """
    parts = Spool(options.spool, cap_bytes=options.cap_bytes, region=options.region, rng=rng)
    left = await asyncio.to_thread(parts.prepare, time.now())
    async with objects.opened(options.directory, region=options.region, endpoint=options.endpoint) as store:

        def of(to: Destination) -> objects.Objects:
            return store.signed_by(signers.of(to)) if signers and isinstance(store, objects.S3Objects) else store

        shipper = Shipper(parts, of, instruments=instruments)
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
