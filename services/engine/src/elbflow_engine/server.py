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

from elbflow import clock as clocks
from elbflow import service
from elbflow.swf.sockets import notice_dead_peers
from elbflow_engine import console, core, driver, journal, meters, polls, turns, wire

log = structlog.get_logger()

BACKLOG = 4096
DRAIN_GRACE_S = 3.5
DRAIN_IDLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Configuration:
    """How to run one engine. ``data_dir`` None keeps everything in memory; ``port`` 0 takes a free one.

    ``system_only`` admits only administrators and those who act in one of ``system_roles`` (patterns of names).
    """

    authenticator: service.Authenticator
    data_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    hold: polls.HoldTime = field(default_factory=polls.HoldTime)
    limits: core.Limits = field(default_factory=core.Limits)
    shares: turns.Shares = field(default_factory=turns.Shares)
    region: str = "us-east-1"
    system_only: bool = False
    system_roles: tuple[str, ...] = wire.ELB_ROLES
    capacity: wire.Capacity = field(default_factory=wire.Capacity)

    @property
    def rules(self) -> wire.Rules:
        """Who may use the engine."""
        return wire.Rules(self.region, self.system_only, self.system_roles)


class Server:
    """A serving engine; :func:`serve` makes it. ``url`` is its endpoint, ``source`` what its console may read."""

    def __init__(
        self, url: str, engine: driver.Driver, parked: polls.Polls, endpoint: wire.Endpoint, source: console.Source
    ) -> None:
        self.url = url
        self.source = source
        self._driver = engine
        self._polls = parked
        self._endpoint = endpoint

    def statistics(self) -> core.Statistics:
        """What is open, parked and waiting now."""
        return self._driver.engine.statistics()

    def problem(self) -> str | None:
        """Why the engine cannot serve now, or None; for ``/readyz``."""
        return "the journal cannot be written" if self._driver.recovering else None

    def lead_to_console(self, url: str) -> None:
        """Answer a browser that asks the SWF endpoint for ``/console`` with this address."""
        self._endpoint.doorway.url = url

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
        settings = driver.Configuration(configuration.limits, configuration.region, configuration.shares)
        engine = driver.Driver(book, settings, clock, meter)
        parked = polls.Polls(engine, configuration.hold, meter, random.Random())  # noqa: S311 - jitter
        stack.callback(parked.close)
        stack.push_async_callback(engine.close)
        await engine.start()
        admitted = wire.Admission(configuration.limits.throttle_scale)
        known = wire.Callers(configuration.authenticator, configuration.rules)
        endpoint = wire.Endpoint(engine, parked, known, inputs, admitted, meter, random.Random())  # noqa: S311 - names
        gate = wire.Gate(configuration.capacity, meter.connection_closed)
        stack.callback(gate.shut)
        address = service.url_of(*listener.getsockname()[:2])
        lines = wire.Listener(endpoint.handle, gate)
        stack.push_async_callback(lines.close)
        await lines.listen(listener, BACKLOG)
        source = console.Source(engine, meter, service.VERSION)
        server = Server(address, engine, parked, endpoint, source)
        log.info("engine_serving", url=server.url, data_dir=str(configuration.data_dir or journal.MEMORY))
        yield server
    log.info("engine_stopped", url=server.url)


def _database(configuration: Configuration) -> str:
    if configuration.data_dir is None:
        return journal.MEMORY
    return str(configuration.data_dir / journal.FILE_NAME)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections notice a vanished peer within 50 s (spec/swf-long-poll-scale 6.4)."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    listener.setblocking(False)
    notice_dead_peers(listener)
    return listener
