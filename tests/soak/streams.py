"""Sessions that never end by themselves, as WebSockets are: a reload must leave them the time that is promised."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from tests.soak.traffic import REQUEST, REQUEST_S, Connection, Target, close

PAUSE_S = 0.5


@dataclass
class Streams:
    """``count`` sessions through a TCP listener with the instance that answers ``answer`` and never leaves.

    One that ends before it is ``least_s`` old is in ``broken``, with its age; others are begun anew.
    """

    target: Target
    answer: str
    least_s: float
    count: int = 4
    lived: int = 0
    broken: list[float] = field(default_factory=list)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _sessions: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Streams:
        self._sessions = [asyncio.create_task(self._go_on()) for _ in range(self.count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving.set()
        await asyncio.gather(*self._sessions)

    async def _go_on(self) -> None:
        while not self._leaving.is_set():
            with contextlib.suppress(OSError, EOFError):
                connection = await asyncio.open_connection(self.target.address, self.target.port)
                try:
                    # Sessions with other instances end with those.
                    if await _asked(connection) == self.answer:
                        await self._use(connection)
                finally:
                    await close(connection)

    async def _use(self, connection: Connection) -> None:
        began = time.monotonic()
        try:
            while not self._leaving.is_set():
                await _asked(connection)
                await asyncio.sleep(PAUSE_S)
        except (OSError, EOFError, TimeoutError):
            age_s = time.monotonic() - began
            if age_s < self.least_s:
                self.broken.append(age_s)
            else:
                self.lived += 1


async def _asked(connection: Connection) -> str:
    reader, writer = connection
    async with asyncio.timeout(REQUEST_S):
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        return (await reader.readexactly(int(length.partition(":")[2]))).decode()
