"""The real engine inside this process, for integration tests of other packages and for experiments."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import prometheus_client

from elbflow import service
from elbflow_engine import console, core, meters, polls, server, wire


@contextlib.asynccontextmanager
async def engine(
    data_dir: Path | str | None = None,
    *,
    auth: service.Authenticator | None = None,
    hold_s: float = 58.0,
    limits: core.Limits | None = None,
    registry: prometheus_client.CollectorRegistry | None = None,
    capacity: wire.Capacity | None = None,
    system_only: bool = False,
    with_console: bool = False,
) -> AsyncIterator[str]:
    """Serve on a free loopback port of the running loop; yields the endpoint URL.

    ``data_dir`` None keeps everything in memory; start again with the same directory to continue. ``auth`` None
    accepts every signature and takes the account from the access key. Leaving answers parked polls empty and closes
    the journal; clients need not have disconnected. ``with_console`` serves the console as well, on a port of its own:
    ``GET /console`` of the endpoint leads there.
    """
    configuration = server.Configuration(
        authenticator=auth or service.AcceptAll(),
        data_dir=None if data_dir is None else Path(data_dir),
        hold=polls.HoldTime(hold_s, jitter_s=min(1.0, hold_s * 0.02)),
        limits=limits or core.Limits(),
        capacity=capacity or wire.Capacity(),
        system_only=system_only,
    )
    meter = meters.Meters(registry or prometheus_client.CollectorRegistry())
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(server.serve(configuration, meter))
        stack.push_async_callback(running.drain, grace_s=0.0)
        if with_console:
            running.lead_to_console(await stack.enter_async_context(console.serving(running.source)))
        yield running.url
