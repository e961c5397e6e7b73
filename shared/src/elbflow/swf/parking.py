"""Giving up a parked poll without losing a task that is already on its way (spec/swf-long-poll-scale I3, I4).

Closing the connection would throw away an answer that the kernel or aiohttp holds but the poll has not seen yet.
Closing only our sending half tells the server that nobody waits any more, while its answer can still be read: either
a task comes, or the end of the connection, and then the server knows that it handed nothing over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

import aiohttp

from elbflow.swf.direct import DirectSession

RELEASE_S = 2.0

T = TypeVar("T")

_line: ContextVar[Line | None] = ContextVar("swf_poll_line", default=None)


class Line:
    """The connection that one poll is parked on."""

    def __init__(self) -> None:
        self.is_released = False
        self.connection: aiohttp.connector.Connection | None = None

    def release(self) -> bool:
        """Close our sending half; False when there is no connection yet, or it cannot be closed by halves (TLS)."""
        self.is_released = True
        transport = None if self.connection is None else self.connection.transport
        if self.connection is None or transport is None or transport.is_closing() or not transport.can_write_eof():
            return False
        if self.connection.protocol is not None:
            self.connection.protocol.force_close()  # without its sending half no other request may get it
        transport.write_eof()
        return True


def current_line() -> Line | None:
    """The line of the poll that this code runs for; None outside :func:`parked`."""
    return _line.get()


async def parked(send: Callable[[], Coroutine[Any, Any, T]], brings_task: Callable[[T], bool]) -> T:
    """Run ``send``, one long poll, so that cancelling it loses no task.

    Cancelled, the poll is released; an answer with a task that was already on its way is returned in spite of the
    cancellation, for it must be handled. Otherwise ``CancelledError`` is raised, after four seconds at the latest.
    """
    line = Line()
    context = copy_context()
    context.run(_line.set, line)
    sending = asyncio.get_running_loop().create_task(send(), context=context)
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        if not sending.done():
            await _undisturbed(_released(sending, line))
        if sending.cancelled() or sending.exception() is not None or not brings_task(sending.result()):
            raise
        return sending.result()


async def _undisturbed(ending: Coroutine[Any, Any, None]) -> None:
    """Wait for ``ending``, which takes a few seconds at most, however often this is cancelled meanwhile."""
    task = asyncio.get_running_loop().create_task(ending)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)


async def _released(sending: asyncio.Task[T], line: Line) -> None:
    """Let ``sending`` end after its line was released; cancel it if it cannot be released or takes too long."""
    try:
        if line.release():
            await asyncio.wait({sending}, timeout=RELEASE_S)
    finally:
        sending.cancel()
    await asyncio.wait({sending}, timeout=RELEASE_S)


class PollSession(DirectSession):
    """aiobotocore's HTTP session, which also notes the connection that each poll gets."""

    async def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        connector: aiohttp.TCPConnector = await super()._create_connector(proxy_url)
        connect = connector.connect

        async def noting(*arguments: Any, **options: Any) -> aiohttp.connector.Connection:
            connection = await connect(*arguments, **options)
            if (line := current_line()) is not None:
                line.connection = connection
            return connection

        connector.connect = noting  # type: ignore[method-assign]
        return connector
