"""Puts the engine together and takes it down in order (spec/swf-long-poll-scale 6.9, 6.10)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import http_exceptions, web

from elbflow import clock as clocks
from elbflow import service
from elbflow_engine import core, driver, journal, meters, polls, wire

log = structlog.get_logger()

DATABASE_NAME = "engine.sqlite3"
BACKLOG = 4096
KEEPALIVE_S = 75.0
LINGER_S = 2.0
DRAIN_GRACE_S = 3.5
DRAIN_IDLE_S = 0.5
_SHUTDOWN_S = 0.25


@dataclass(frozen=True, slots=True)
class Configuration:
    """How to run one engine. ``data_dir`` None keeps everything in memory; ``port`` 0 takes a free one."""

    authenticator: service.Authenticator
    data_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    hold: polls.HoldTime = field(default_factory=polls.HoldTime)
    limits: core.Limits = field(default_factory=core.Limits)
    region: str = "us-east-1"


class Server:
    """A serving engine; :func:`serve` makes it. ``url`` is its endpoint."""

    def __init__(self, url: str, engine: driver.Driver, parked: polls.Polls, endpoint: wire.Endpoint) -> None:
        self.url = url
        self._driver = engine
        self._polls = parked
        self._endpoint = endpoint

    def statistics(self) -> core.Statistics:
        """What is open, parked and waiting now."""
        return self._driver.engine.statistics()

    def problem(self) -> str | None:
        """Why the engine cannot serve now, or None; for ``/readyz``."""
        return "the journal cannot be written" if self._driver.recovering else None

    @property
    def parked(self) -> int:
        """Polls that wait for a task now."""
        return self._polls.parked

    async def drain(self, grace_s: float = DRAIN_GRACE_S) -> None:
        """Answer the parked polls, refuse new ones, and go on serving short calls until nobody calls any more.

        Workers that lost their poll still report what they run: they get ``grace_s`` seconds at most.
        """
        await self._polls.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._endpoint.quiet(DRAIN_IDLE_S)


@contextlib.asynccontextmanager
async def serve(configuration: Configuration, meter: meters.Meters) -> AsyncIterator[Server]:
    """Load the journal, listen, and serve until the context is left; call :meth:`Server.drain` before leaving.

    Raises :class:`journal.JournalUnusable`, and ``OSError`` when the address cannot be bound. Leaving closes the
    listener, gives calls under way a moment, finishes queued commits and closes the journal.
    """
    clock = clocks.SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        # Name resolution and botocore's model files block: neither belongs on the loop.
        listener = await asyncio.to_thread(_listen, configuration.host, configuration.port)
        stack.enter_context(contextlib.closing(listener))
        inputs = await asyncio.to_thread(wire.inputs)
        book = await stack.enter_async_context(journal.Journal.open(_database(configuration), meter))
        engine = driver.Driver(book, driver.Configuration(configuration.limits, configuration.region), clock, meter)
        parked = polls.Polls(engine, configuration.hold, meter, random.Random())  # noqa: S311 - jitter
        stack.callback(parked.close)
        stack.push_async_callback(engine.close)
        await engine.start()
        admitted = wire.Admission(configuration.limits.throttle_scale)
        endpoint = wire.Endpoint(engine, parked, configuration.authenticator, inputs, admitted, meter)
        runner = await _start(endpoint, listener)
        stack.push_async_callback(runner.cleanup)
        server = Server(service.url_of(*listener.getsockname()[:2]), engine, parked, endpoint)
        meter.watch(server.statistics)
        log.info("engine_serving", url=server.url, data_dir=str(configuration.data_dir or journal.MEMORY))
        yield server
    log.info("engine_stopped", url=server.url)


def _database(configuration: Configuration) -> str:
    if configuration.data_dir is None:
        return journal.MEMORY
    return str(configuration.data_dir / DATABASE_NAME)


async def _start(endpoint: wire.Endpoint, listener: socket.socket) -> web.ServerRunner:
    low_level = web.Server(
        endpoint.handle,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        auto_decompress=False,
        access_log=None,
        logger=_HttpLog(),
    )
    runner = web.ServerRunner(low_level, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    return runner


class _HttpLog:
    """aiohttp's logger. Anybody can send bytes that are no HTTP: that is one line, not a traceback."""

    def debug(self, message: str, *arguments: object, **_: object) -> None:
        log.debug("http", detail=message % arguments)

    def warning(self, message: str, *arguments: object, **_: object) -> None:
        log.warning("http", detail=message % arguments)

    def exception(self, message: str, *arguments: object, exc_info: BaseException | None = None) -> None:
        if isinstance(exc_info, http_exceptions.HttpProcessingError):
            log.info("malformed_http", reason=exc_info.message.splitlines()[0] if exc_info.message else "")
        else:
            log.error("http_failed", detail=message % arguments, exc_info=exc_info)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections notice a vanished peer within 50 s (spec/swf-long-poll-scale 6.4)."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    listener.setblocking(False)
    options = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
    for name, value in options.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener
