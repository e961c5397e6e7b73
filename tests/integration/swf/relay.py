"""A TCP relay in front of a server: it can vanish, fall silent, forget idle connections, or break them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Forwards bytes both ways. ``lines`` are the connections it accepted so far.

    With ``forget_after_s`` it forgets connections that were idle for so long, as address translation does: it forwards
    nothing any more and tells nobody.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._reset_next = False
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines: list[asyncio.StreamWriter] = []
        self.forget_after_s: float | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and end those there are, as a process that is killed does."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Forward nothing any more, and say nothing: half-open connections."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    def remember(self) -> None:
        """Keep connections from now on, however long they are idle."""
        self.forget_after_s = None

    def close_lines(self) -> None:
        """Close every connection in good order."""
        for line in self.lines:
            line.close()

    def reset(self) -> None:
        """Send RST on every connection."""
        for line in self.lines:
            if not line.is_closing():
                line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                line.transport.abort()

    def reset_on_next_request(self) -> None:
        """Break the connection on which the next bytes arrive, before they are forwarded."""
        self._reset_next = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.lines.append(writer)
        try:
            # Broken connections are what a relay is for; both ends notice themselves.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                there, back = await asyncio.open_connection(*self._target)
                try:
                    await self._both(reader, back, there, writer)
                finally:
                    back.close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _both(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.ensure_future(self._forward(reader, back, requests=True)),
            asyncio.ensure_future(self._forward(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await self._thawed.wait()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, requests: bool = False
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(self.forget_after_s):
                    data = await source.read(65536)
            except TimeoutError:
                await asyncio.Event().wait()
            if requests and data and self._reset_next:
                self._reset_next = False
                self.reset()
                return
            await self._thawed.wait()
            if not data:
                return
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def relaying(target: str) -> AsyncIterator[Relay]:
    """A relay to the server at ``target`` until the block ends."""
    relay = Relay(target)
    await relay.start()
    try:
        yield relay
    finally:
        relay.thaw()
        await relay.stop()
