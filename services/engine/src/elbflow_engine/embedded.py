"""The real engine inside this process, for integration tests of other packages and for experiments."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import prometheus_client

from elbflow import service
from elbflow_engine import core, meters, polls, server


@contextlib.asynccontextmanager
async def engine(
    data_dir: Path | str | None = None,
    *,
    auth: service.Authenticator | None = None,
    hold_s: float = 58.0,
    limits: core.Limits | None = None,
    registry: prometheus_client.CollectorRegistry | None = None,
) -> AsyncIterator[str]:
    """Serve on a free loopback port of the running loop; yields the endpoint URL.

    ``data_dir`` None keeps everything in memory; start again with the same directory to continue. ``auth`` None
    accepts every signature and takes the account from the access key. Leaving answers parked polls empty and closes
    the journal; clients need not have disconnected.
    """
    configuration = server.Configuration(
        authenticator=auth or service.AcceptAll(),
        data_dir=None if data_dir is None else Path(data_dir),
        hold=polls.HoldTime(hold_s, jitter_s=min(1.0, hold_s * 0.02)),
        limits=limits or core.Limits(),
    )
    meter = meters.Meters(registry or prometheus_client.CollectorRegistry())
    async with server.serve(configuration, meter) as running:
        try:
            yield running.url
        finally:
            await running.drain(grace_s=0.0)
