"""The console on a listener of its own, for an engine without an admin server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from elbflow import service
from elbflow_engine.console import app, source

_SHUTDOWN_S = 0.5


@contextlib.asynccontextmanager
async def serving(engine: source.Source) -> AsyncIterator[str]:
    """Serve on a free loopback port; yields the console's address. Leaving ends live updates and stops listening."""
    pages = app.Console(engine)
    outside = web.Application()
    pages.attach(outside)
    runner = web.AppRunner(outside, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield service.url_of(*runner.addresses[0][:2]) + app.PREFIX
    finally:
        pages.close()
        await runner.cleanup()
