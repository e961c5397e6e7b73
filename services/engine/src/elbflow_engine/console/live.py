"""Pages that follow what happens: a bounded number of server-sent event streams, each bounded in rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson
import structlog
from aiohttp import web

from elbflow_engine import core, refusals
from elbflow_engine.console import guard

log = structlog.get_logger()

MOST_VIEWERS = 16
PACE_S = 1.0
"""Least seconds between two looks of one viewer."""
_COST_FACTOR = 10
"""A look that takes long is repeated rarely: at most a tenth of the time is spent looking."""
_QUIET_S = 15.0
"""A comment is sent after this long without a message, to notice viewers that are gone."""

_WRITE_S = 10.0
"""A viewer that has not taken an update after this long is dropped."""


@dataclass(frozen=True, slots=True)
class Message:
    """One update: ``kind`` is the name of the event, ``body`` its JSON. ``mark``: where to go on after a reconnect."""

    kind: str
    body: core.Object
    mark: str = ""

    def encode(self) -> bytes:
        mark = f"id: {self.mark}\n" if self.mark else ""
        return f"{mark}event: {self.kind}\ndata: ".encode() + orjson.dumps(self.body) + b"\n\n"


class Watch(Protocol):
    """Looks at one page on behalf of one viewer."""

    async def look(self) -> Sequence[Message]:
        """What changed since the last look."""


class Live:
    """All viewers. They cost nothing while there are none."""

    def __init__(self, most_viewers: int = MOST_VIEWERS, pace_s: float = PACE_S) -> None:
        self._most = most_viewers
        self._pace_s = pace_s
        self._ended = asyncio.Event()
        self.viewers = 0

    def end(self) -> None:
        """Say goodbye to all viewers and take no more."""
        self._ended.set()

    async def serve(self, request: web.Request, watch: Watch) -> web.StreamResponse:
        """Stream updates until the viewer goes, what he looks at goes, or :meth:`end`."""
        if self._ended.is_set() or self.viewers >= self._most:
            reason = "The engine is stopping." if self._ended.is_set() else "Too many viewers follow the console now."
            return web.Response(status=503, text=f"{reason}\n", headers={**guard.HEADERS, "Retry-After": "30"})
        self.viewers += 1
        try:
            return await self._stream(request, watch)
        finally:
            self.viewers -= 1

    async def _stream(self, request: web.Request, watch: Watch) -> web.StreamResponse:
        response = web.StreamResponse(headers={**guard.HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, TimeoutError):  # the viewer left, or does not read
            await self._follow(request, response, watch)
        return response

    async def _follow(self, request: web.Request, response: web.StreamResponse, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        written = loop.time()
        while not self._ended.is_set():
            began = loop.time()
            messages, goes_on = await _look(watch)
            for message in messages:
                await _write(response, message.encode())
                written = loop.time()
            if not goes_on or request.transport is None or request.transport.is_closing():
                break
            if loop.time() - written >= _QUIET_S:
                await _write(response, b": still here\n\n")
                written = loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(self._pace_s, _COST_FACTOR * (loop.time() - began))):
                    await self._ended.wait()
        await _write(response, Message("end", {}).encode())


async def _write(response: web.StreamResponse, data: bytes) -> None:
    """Raises ``TimeoutError`` when the viewer does not take it."""
    async with asyncio.timeout(_WRITE_S):
        await response.write(data)


async def _look(watch: Watch) -> tuple[Sequence[Message], bool]:
    """What changed, and whether to look again."""
    try:
        return await watch.look(), True
    except (refusals.Unavailable, TimeoutError) as error:
        return [Message("trouble", {"text": str(error) or "The answer takes too long."})], True
    except core.Fault as fault:
        return [Message("trouble", {"text": fault.message})], False
