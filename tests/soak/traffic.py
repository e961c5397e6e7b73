"""Clients that never stop asking, and write down every request that was not answered as it should be."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

REQUEST_S = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: soak\r\n\r\n"
KEPT_FAILURES = 50

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Target:
    """A listener; ``trust`` None is plain."""

    address: str
    port: int
    trust: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Failure:
    """A request without a good answer. ``at`` is monotonic."""

    at: float
    target: Target
    reused: bool
    reason: str


@dataclass
class Traffic:
    """``kept`` clients on kept-alive connections and ``fresh`` ones with a connection per request, while entered.

    ``kept_targets`` are used by the former and ``targets`` by the latter, in turn; ``answers`` are the bodies expected.
    """

    targets: Collection[Target]
    kept_targets: Collection[Target]
    answers: Collection[str]
    kept: int = 60
    fresh: int = 30
    pause_s: float = 0.05
    requests: int = 0
    slowest_s: float = 0.0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    bodies: Counter[str] = field(default_factory=Counter)
    certificates: Counter[bytes] = field(default_factory=Counter)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _clients: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Traffic:
        kept, fresh = list(self.kept_targets), list(self.targets)
        for number in range(self.kept):
            self._clients.append(asyncio.create_task(self._keep_asking(kept[number % len(kept)])))
        for number in range(self.fresh):
            self._clients.append(asyncio.create_task(self._ask_anew(fresh[number % len(fresh)])))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving.set()
        await asyncio.gather(*self._clients)

    async def _keep_asking(self, target: Target) -> None:
        connection: Connection | None = None
        reused = False
        while not self._leaving.is_set():
            try:
                async with asyncio.timeout(REQUEST_S):
                    connection = connection or await self._connect(target)
                    goes_on = await self._exchange(connection)
                reused = goes_on
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self._note(target, reused, error)
                goes_on = reused = False
            if not goes_on and connection is not None:
                await close(connection)
                connection = None
            await asyncio.sleep(self.pause_s)
        if connection is not None:
            await close(connection)

    async def _ask_anew(self, target: Target) -> None:
        while not self._leaving.is_set():
            connection: Connection | None = None
            try:
                async with asyncio.timeout(REQUEST_S):
                    connection = await self._connect(target)
                    await self._exchange(connection)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self._note(target, False, error)
            if connection is not None:
                await close(connection)
            await asyncio.sleep(self.pause_s)

    async def _connect(self, target: Target) -> Connection:
        reader, writer = await asyncio.open_connection(target.address, target.port, ssl=target.trust)
        secured = writer.get_extra_info("ssl_object")
        if secured is not None:
            self.certificates[secured.getpeercert(binary_form=True) or b""] += 1
        return reader, writer

    async def _exchange(self, connection: Connection) -> bool:
        """One request; whether the connection may be used again. ValueError for an answer that is not the expected."""
        reader, writer = connection
        began = time.monotonic()
        self.requests += 1
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = head.split(" ", 2)[1]
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        body = (await reader.readexactly(int(length.partition(":")[2]))).decode()
        if status != "200" or body not in self.answers:
            raise ValueError(f"status {status}, body {body[:40]!r}")
        self.bodies[body] += 1
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return "connection: close" not in head

    def _note(self, target: Target, reused: bool, error: Exception) -> None:
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            reason = f"{type(error).__name__}: {error}"
            self.failures.append(Failure(time.monotonic(), target, reused, reason))


async def close(connection: Connection) -> None:
    """Whatever state it is in."""
    _, writer = connection
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
