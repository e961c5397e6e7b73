"""A tiny SWF over real HTTP: it parks polls and answers what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from elbflow import swf

Answer = Callable[[dict[str, Any], web.Request], Awaitable[web.StreamResponse]]
Connect = Callable[..., AbstractAsyncContextManager[swf.Client]]
CONTENT_TYPE = "application/x-amz-json-1.0"


def ok(members: dict[str, Any] | None = None) -> web.Response:
    """200 with ``members``; none means the zero-byte body of operations without output."""
    body = b"" if members is None else json.dumps(members).encode()
    return web.Response(body=body, content_type=CONTENT_TYPE)


def fault(code: str, message: str = "text", status: int = 400) -> web.Response:
    body = json.dumps({"__type": f"com.amazonaws.swf.base.model#{code}", "message": message})
    return web.Response(status=status, body=body.encode(), content_type=CONTENT_TYPE)


@dataclass
class Responder:
    """``answers`` maps operations to scripted answers, used up in order; the last one stays."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    parked: int = 0
    peak: int = 0
    lost: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, operation: str, *answers: Answer | web.Response) -> None:
        self.answers[operation] = [_as_answer(answer) for answer in answers]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        body = json.loads(await request.read())
        self.calls[operation] += 1
        self.bodies.append((operation, body))
        self.headers.append(dict(request.headers))
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        scripted = self.answers.get(operation)
        if scripted:
            answer = scripted.pop(0) if len(scripted) > 1 else scripted[0]
            return await answer(body, request)
        return await self.park() if operation.startswith("PollFor") else ok()

    async def park(self) -> web.Response:
        """Hold a poll until ``release`` is set, then answer empty."""
        self.parked += 1
        self.peak = max(self.peak, self.parked)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.lost += 1
            raise
        finally:
            self.parked -= 1
        return ok({"startedEventId": 0})

    async def until_parked(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.parked != count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving() -> AsyncIterator[Responder]:
    """A responder on a free port of the running loop."""
    made = Responder()
    application = web.Application()
    application.router.add_post("/", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    made.release.set()
    await runner.cleanup()


def _as_answer(answer: Answer | web.Response) -> Answer:
    if not isinstance(answer, web.Response):
        return answer
    status, body = answer.status, answer.body

    async def copy(_: dict[str, Any], __: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type=CONTENT_TYPE)

    return copy


async def drop(_: dict[str, Any], request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
