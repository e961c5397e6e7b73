"""Where a browser that opens the SWF endpoint finds the console."""

from __future__ import annotations

from aiohttp import web

PATH = "/console"
_NOWHERE = "The console is not served here: it is at /console of the engine's admin server (docs/console.md).\n"


class Doorway:
    """Answers ``GET /console``. ``url``: the console's address, None when it is not to be told."""

    def __init__(self) -> None:
        self.url: str | None = None

    def answer(self, request: web.BaseRequest) -> web.Response | None:
        """The way to the console, a plain 404 when there is none to tell, or None for what is no such request."""
        if request.method not in ("GET", "HEAD") or request.path.rstrip("/") != PATH:
            return None
        if self.url is None:
            return web.Response(status=404, text=_NOWHERE)
        return web.Response(status=307, headers={"Location": self.url, "Cache-Control": "no-store"})
