"""APIs as processes of their own, and a gate before the engine at which they can be killed at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from tests.integration.api.conftest import KEY, Elb, House

from elbflow import service

_START_S = 40.0
_KEPT = ("content-type", "x-amzn-requestid")


@dataclass(frozen=True)
class Api:
    """``elbflow-api serve`` as a process."""

    pid: int
    elb: Elb

    async def kill(self) -> None:
        """SIGKILL: it ends in the middle of whatever it does."""
        os.kill(self.pid, signal.SIGKILL)
        while self.is_alive():
            await asyncio.sleep(0.005)

    def is_alive(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()


@contextlib.asynccontextmanager
async def apis(house: House, *swf_endpoints: str) -> AsyncIterator[list[Api]]:
    """An API on the house's store for each SWF endpoint; all are killed at the end."""
    with tempfile.TemporaryDirectory(prefix="elbflow-apis-") as directory:
        logs = [Path(directory) / str(number) for number in range(len(swf_endpoints))]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.api.launcher", _orders(house, logs, swf_endpoints)),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(_START_S):
                pids = json.loads(await process.stdout.readline())
                urls = await asyncio.gather(*map(_serving, logs))
            keys = (KEY.access_key_id, KEY.secret_access_key)
            yield [Api(pid, Elb(url, *keys)) for pid, url in zip(pids, urls, strict=True)]
        finally:
            await process.communicate(b"")  # the end of its input is its sign


def _orders(house: House, logs: Sequence[Path], swf_endpoints: Sequence[str]) -> str:
    def environment(endpoint: str) -> dict[str, str]:
        return {"ELBFLOW_STORE_URL": house.settings.store_url, "ELBFLOW_SWF_ENDPOINT": endpoint}

    pairs = zip(logs, swf_endpoints, strict=True)
    return json.dumps([{"log": str(log), "environment": environment(endpoint)} for log, endpoint in pairs])


async def _serving(log: Path) -> str:
    """The URL that an API has written into its log, as soon as it has."""
    while True:
        for line in log.read_text().splitlines() if log.exists() else ():
            if '"event":"serving"' in line.replace(" ", "") and line.endswith("}"):
                return str(json.loads(line)["url"])
        await asyncio.sleep(0.02)


class Gate:
    """Passes SWF calls on, and holds back the first one of an operation: before it reaches the engine, or its answer.

    What is held when the block of :meth:`serving` ends never goes further.
    """

    def __init__(self, engine: str, *, hold: str, delivered: bool) -> None:
        self._engine = engine
        self._hold = hold
        self._delivered = delivered
        self._is_held = False
        self.held = asyncio.Event()
        self.released = asyncio.Event()
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Gate]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = service.url_of(*runner.addresses[0][:2])
            yield self
        finally:
            await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.Response:
        body = await request.read()
        chosen = request.headers.get("X-Amz-Target", "").endswith(f".{self._hold}") and not self._is_held
        if not chosen:
            return await self._forward(request, body)
        self._is_held = True
        answer = await self._forward(request, body) if self._delivered else None
        self.held.set()
        await self.released.wait()
        return answer or await self._forward(request, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(f"{self._engine}{request.path}", data=body, headers=headers) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
