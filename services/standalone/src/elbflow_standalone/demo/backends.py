"""Real HTTP back ends on loopback addresses for the tour."""

from __future__ import annotations

import ipaddress
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

PORT = 8000


def address_in(network: str, number: int) -> str:
    """The ``number``-th address from the end of a stack's network; its VMs take theirs from the beginning."""
    return str(ipaddress.ip_network(network)[-1 - number])


class Backend:
    """An HTTP server that says its name with every answer. ``start`` and ``stop`` may alternate."""

    def __init__(self, instance_id: str, address: str) -> None:
        self.instance_id = instance_id
        self.address = address
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, self.address, PORT, reuse_address=True).start()
        self._runner = runner

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(text=self.instance_id, headers={"X-Backend": self.instance_id})


class Backends:
    """The tour's back ends; leaving the block stops all of them."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._stack = AsyncExitStack()
        self._count = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def launch(self, instance_id: str) -> Backend:
        """Start one more back end on an address of its own."""
        self._count += 1
        backend = Backend(instance_id, address_in(self._network, self._count))
        self._stack.push_async_callback(backend.stop)
        await backend.start()
        return backend
