"""The admin HTTP server: ``/livez``, ``/readyz``, ``/metrics`` (spec/anchors 4.2 Health) and ``/debug``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
import prometheus_client
from aiohttp import web
from prometheus_client import exposition

from elbflow.service import debug, urls

CLOSE_GRACE_S = 2.0


class AdminServer:
    """Owns the application until it is closed. Routes may be added until :meth:`start`."""

    def __init__(
        self,
        registry: prometheus_client.CollectorRegistry,
        live: Callable[[], str | None],
        ready: Callable[[], Mapping[str, str]],
    ) -> None:
        self._registry = registry
        self._live = live
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self.debug = debug.DebugPages()
        self.app = web.Application()
        self.app.add_routes(
            [
                web.get("/livez", self._get_livez),
                web.get("/readyz", self._get_readyz),
                web.get("/metrics", self._get_metrics),
                *self.debug.routes(),
            ]
        )

    async def start(self, host: str, port: int) -> str:
        """Listen and return the base URL. Raises ``OSError`` when the address cannot be bound.

        Cancelled in between, :meth:`close` still releases what was taken.
        """
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=CLOSE_GRACE_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound_host, bound_port = self._runner.addresses[0][:2]
        return urls.url_of(bound_host, bound_port)

    async def close(self) -> None:
        """Stop listening; open requests get :data:`CLOSE_GRACE_S` seconds. Does nothing when not started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _get_livez(self, _request: web.Request) -> web.Response:
        problem = self._live()
        return _verdict({} if problem is None else {"loop": problem})

    async def _get_readyz(self, _request: web.Request) -> web.Response:
        return _verdict(self._ready())

    async def _get_metrics(self, request: web.Request) -> web.Response:
        # On the loop, not in a thread: collectors read state that only the loop may touch.
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


def _verdict(reasons: Mapping[str, str]) -> web.Response:
    body = orjson.dumps({"ok": not reasons, "reasons": reasons})
    return web.Response(status=503 if reasons else 200, body=body, content_type="application/json")
