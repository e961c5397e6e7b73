"""An agent host in the test's own process: remembers VMs, runs none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TOKEN = "host-token"


class AgentHost:
    """``vms`` by instance id; ``refuse`` answers every request with this status while it is set.

    ``on_launch`` and ``on_terminate`` let a test do more with a VM.
    """

    def __init__(self) -> None:
        self.url = ""
        self.vms: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refuse: int | None = None
        self.refuse_times: int | None = None
        self.state_of_new_vms = "running"
        self.on_launch: Callable[[str], Awaitable[None]] | None = None
        self.on_terminate: Callable[[str], Awaitable[None]] | None = None
        self._addresses = 0

    def of(self, load_balancer: str) -> list[str]:
        return sorted(one for one, vm in self.vms.items() if vm["load_balancer"] == load_balancer)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/vms", self._list),
                web.get("/vms/{instance_id}", self._show),
                web.put("/vms/{instance_id}", self._launch),
                web.delete("/vms/{instance_id}", self._terminate),
            ]
        )
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "unauthorized"}, status=401)
        if self.refuse is not None and self.refuse_times != 0:
            if self.refuse_times is not None:
                self.refuse_times -= 1
            return web.json_response({"error": "refused"}, status=self.refuse)
        return await handler(request)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response([self._shown(one) for one in self.vms])

    async def _show(self, request: web.Request) -> web.Response:
        instance_id = request.match_info["instance_id"]
        if instance_id not in self.vms:
            return web.json_response({"error": "no such VM"}, status=404)
        return web.json_response(self._shown(instance_id))

    async def _launch(self, request: web.Request) -> web.Response:
        instance_id = request.match_info["instance_id"]
        if instance_id not in self.vms:
            self._addresses += 1
            body = await request.json()
            self.vms[instance_id] = {
                **body,
                "address": f"127.66.0.{self._addresses}",
                "state": self.state_of_new_vms,
            }
            if self.on_launch is not None:
                await self.on_launch(instance_id)
        return web.json_response(self._shown(instance_id))

    async def _terminate(self, request: web.Request) -> web.Response:
        instance_id = request.match_info["instance_id"]
        if self.vms.pop(instance_id, None) is None:
            return web.json_response({"error": "no such VM"}, status=404)
        if self.on_terminate is not None:
            await self.on_terminate(instance_id)
        return web.json_response({})

    def _shown(self, instance_id: str) -> dict[str, Any]:
        vm = self.vms[instance_id]
        return {"instance_id": instance_id, "address": vm["address"], "zone": vm["zone"], "state": vm["state"]}


@asynccontextmanager
async def agent_host() -> AsyncIterator[AgentHost]:
    """A host that listens on a free loopback port."""
    host = AgentHost()
    runner = web.AppRunner(host.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield host
    finally:
        await runner.cleanup()
