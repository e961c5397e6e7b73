"""The console as a web application, to be put under ``/console`` of any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

import orjson
import structlog
from aiohttp import web

from elbflow_engine import core, refusals
from elbflow_engine.console import asked, guard, histories, live, rendering, source, watching
from elbflow_engine.console.views import base, execution, executions, home, lists

log = structlog.get_logger()

PREFIX = "/console"
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """Read-only pages about one engine. :meth:`attach` them, and :meth:`close` at the end.

    ``hosts``: names under which it may be asked for besides loopback's (:class:`guard.Guard`).
    """

    def __init__(
        self, engine: source.Source, hosts: Collection[str] = (), *, most_viewers: int = live.MOST_VIEWERS
    ) -> None:
        self._engine = engine
        self._guard = guard.Guard(hosts)
        self._renderer = rendering.Renderer()
        self._reader = histories.Reader(engine, self._renderer.worker)
        self._live = live.Live(most_viewers)
        self._closed = False

    @property
    def viewers(self) -> int:
        """Live updates under way."""
        return self._live.viewers

    def end_live(self) -> None:
        """Say goodbye to those who follow a page; pages are still served."""
        self._live.end()

    def attach(self, app: web.Application) -> None:
        """Add the pages to ``app``, which must not have been started."""
        pages = web.Application(middlewares=[self._middleware])
        pages.add_routes(
            [
                web.get("", self._home),
                web.get("/", self._home),
                web.get("/executions", self._executions),
                web.get("/execution", self._execution),
                web.get("/event", self._event),
                web.get("/lists", self._lists),
                web.get("/live/{page}", self._follow),
                web.get("/static/{name}", self._static),
                web.get("/{rest:.*}", self._unknown),
            ]
        )
        pages.on_shutdown.append(self._on_shutdown)
        app.add_subapp(PREFIX, pages)

    def close(self) -> None:
        """End the live updates and the thread; what is asked afterwards is refused."""
        self._closed = True
        self._live.end()
        self._renderer.close()

    async def _on_shutdown(self, _app: web.Application) -> None:
        self._live.end()

    async def _home(self, request: web.Request) -> web.Response:
        return await self._page(await home.view(self._engine, asked.Query(request.query)))

    async def _executions(self, request: web.Request) -> web.Response:
        view = await executions.view(self._engine, asked.Query(request.query))
        return await self._page(view, 400 if view.context["refused"] else 200)

    async def _execution(self, request: web.Request) -> web.Response:
        query = asked.Query(request.query)
        return await self._page(await execution.view(self._engine, self._reader, self._renderer, query))

    async def _event(self, request: web.Request) -> web.Response:
        event = await execution.one_event(self._engine, self._reader, asked.Query(request.query))
        if event is None:
            return await self._error(404, "No such event", "The history of this execution has no event with this id.")
        body = await self._renderer.run(lambda: orjson.dumps(event, option=orjson.OPT_INDENT_2))
        return web.Response(body=body, content_type="text/plain", charset="utf-8", headers=guard.HEADERS)

    async def _lists(self, request: web.Request) -> web.Response:
        return await self._page(await lists.view(self._engine, self._renderer, asked.Query(request.query)))

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        query = asked.Query(request.query)
        makers: Mapping[str, Callable[[], Awaitable[base.View]]] = {
            "home": lambda: home.view(self._engine, query),
            "executions": lambda: executions.view(self._engine, query),
            "lists": lambda: lists.view(self._engine, self._renderer, query),
        }
        page = request.match_info["page"]
        if page == "execution":
            place = execution.Place.of(query)
            mark = request.headers.get("Last-Event-ID", "")
            after = int(mark) if mark.isdecimal() and len(mark) < 9 else query.number("after") or 0
            watch = watching.ExecutionWatch(self._engine, self._reader, self._renderer, place, after)
            return await self._live.serve(request, watch)
        if page not in makers:
            return await self._unknown(request)
        return await self._live.serve(request, watching.PageWatch(self._renderer, makers[page]))

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            return await self._unknown(request)
        body = await self._renderer.run(lambda: rendering.static(name))
        return web.Response(body=body, content_type=_STATIC[name], charset="utf-8", headers=guard.HEADERS)

    async def _unknown(self, _request: web.Request) -> web.Response:
        return await self._error(404, "No such page", "The console has no page with this address.")

    async def _page(self, view: base.View, status: int = 200) -> web.Response:
        context = {**view.context, "live": view.live}
        return _html(await self._renderer.page(f"{view.template}.html", context), status)

    async def _error(self, status: int, title: str, text: str) -> web.Response:
        return _html(await self._renderer.page("error.html", {"title": title, "text": text, "live": None}), status)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse whom we do not serve; every error is a page."""
        refusal = self._guard.refusal(request)
        if refusal is not None:
            return web.Response(status=403, text=f"{refusal}\n", headers=guard.HEADERS)
        if self._closed:
            return web.Response(status=503, text="The engine is stopping.\n", headers=guard.HEADERS)
        try:
            return await handler(request)
        except asked.Unclear as unclear:
            return await self._error(400, "This address is not clear", str(unclear))
        except core.Fault as fault:
            status = 404 if fault.code == "UnknownResourceFault" else 400
            return await self._error(status, fault.code, fault.message)
        except refusals.Unavailable as error:
            return await self._error(503, "The engine cannot answer now", str(error))
        except TimeoutError:
            return await self._error(503, "This takes too long", "The history is too large to be read in time.")
        except web.HTTPMethodNotAllowed:
            return await self._error(405, "Read only", "The console shows, it changes nothing: use GET.")
        except ConnectionError:
            raise
        except Exception as error:
            log.error("console_failed", page=request.path, exc_info=error)
            return await self._error(500, "The console failed", "The engine's log says why.")


def _html(body: str, status: int) -> web.Response:
    return web.Response(text=body, status=status, content_type="text/html", charset="utf-8", headers=guard.HEADERS)
