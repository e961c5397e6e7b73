"""``/debug/NAME`` of the admin server: what a process holds in its memory, for the people of this machine.

The pages name resources of customers, so requests must come from this machine and name it, wherever the admin server
listens. A page of another site that makes a browser ask us under its own name (DNS rebinding) is refused by the name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeAlias

from aiohttp import web

Form: TypeAlias = Literal["json", "html", "text"]

Page: TypeAlias = Callable[[Mapping[str, str], Form], Awaitable[str]]
"""Answers a query in a form; ``ValueError`` says what is wrong with the query. It must not block the loop."""

PREFIX = "/debug"

_TYPES: dict[Form, str] = {"json": "application/json", "html": "text/html", "text": "text/plain"}
_FORMS: dict[str, Form] = {"json": "json", "html": "html", "text": "text"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class DebugPages:
    """The pages by name. They may be added while the server runs: a service may learn late what it has to show."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}

    def add(self, name: str, page: Page) -> None:
        """Serve ``page`` as ``/debug/<name>``; a second one of the same name replaces the first."""
        self._pages[name] = page

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PREFIX, self._get_index), web.get(PREFIX + "/{name}", self._get_page)]

    async def _get_index(self, request: web.Request) -> web.Response:
        if (reason := refusal(request)) is not None:
            return web.Response(status=403, text=reason)
        return web.json_response({"pages": [f"{PREFIX}/{name}" for name in sorted(self._pages)]}, headers=_HEADERS)

    async def _get_page(self, request: web.Request) -> web.Response:
        if (reason := refusal(request)) is not None:
            return web.Response(status=403, text=reason)
        page = self._pages.get(request.match_info["name"])
        if page is None:
            return web.Response(status=404, text=f"no such page; see {PREFIX}")
        query = dict(request.query)
        try:
            form = form_of(query.pop("format", None), request.headers.get("Accept", ""))
            body = await page(query, form)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        return web.Response(text=body, content_type=_TYPES[form], charset="utf-8", headers=_HEADERS)


def form_of(asked: str | None, accept: str) -> Form:
    """The form to answer in: the one ``asked`` for, else what ``accept`` names first, else JSON.

    ``ValueError`` when the form asked for does not exist.
    """
    if asked is not None:
        if asked not in _FORMS:
            raise ValueError(f"format must be one of {', '.join(_FORMS)}, not {asked}")
        return _FORMS[asked]
    named = (part.partition(";")[0].strip() for part in accept.lower().split(","))
    by_type = {kind: form for form, kind in _TYPES.items()}
    return next((by_type[kind] for kind in named if kind in by_type), "json")


def refusal(request: web.BaseRequest) -> str | None:
    """Why this request is not served, or None."""
    if not _is_loopback(request.remote or "") or not _is_loopback(_host(request.headers.get("Host", ""))):
        return "This page is served to this machine only, under a loopback address."
    return None


def _host(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
