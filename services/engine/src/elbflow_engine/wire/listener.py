"""A listening socket: makes a connection of every client, and takes them all down at the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from elbflow_engine.wire import connection, gate, intake

LAST_ANSWERS_S = 0.25


class Listener:
    """The connections of one listening socket: makes them and takes them down."""

    def __init__(self, handler: connection.Handler, watch: gate.Gate) -> None:
        self._handler = handler
        self._gate = watch
        self._intake = intake.Intake()
        self._server: asyncio.Server | None = None

    def __call__(self) -> connection.Connection:
        return connection.Connection(self._handler, self._gate, self._intake)

    async def listen(self, listener: socket.socket, backlog: int) -> None:
        """Accept connections until :meth:`close`."""
        self._server = await asyncio.get_running_loop().create_server(self, sock=listener, backlog=backlog)

    async def close(self) -> None:
        """Accept nothing more, let answers that are nearly done leave, then hang up. Takes no longer than a second."""
        if self._server is not None:
            self._server.close()
        lines = [peer for peer in self._gate.peers if isinstance(peer, connection.Connection)]
        for line in lines:
            line.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_S):
                await self._gate.deserted()
        lines = [peer for peer in self._gate.peers if isinstance(peer, connection.Connection)]
        tasks = [task for line in lines if (task := line.abandon()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
