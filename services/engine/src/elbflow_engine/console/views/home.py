"""The first page: the engine's health, and the domains of all accounts."""

from __future__ import annotations

import asyncio

from elbflow_engine import core, refusals
from elbflow_engine.console import asked, source
from elbflow_engine.console.views.base import View

DOMAINS_SHOWN = 100
_EVER: core.Object = {"oldestDate": 0}


async def view(engine: source.Source, query: asked.Query) -> View:
    """A page of domains, with what is open, closed, waiting."""
    domains = engine.domains()
    pages = max(1, -(-len(domains) // DOMAINS_SHOWN))
    page = min(max(1, query.number("page") or 1), pages)
    shown = domains[(page - 1) * DOMAINS_SHOWN : page * DOMAINS_SHOWN]
    closed = await asyncio.gather(*(_closed(engine, one) for one in shown))
    context = {
        "health": engine.health(),
        "open_executions": sum(one.open_executions for one in domains),
        "parked": sum(one.parked for one in domains),
        "domains": list(zip(shown, closed, strict=True)),
        "domains_in_all": len(domains),
        "page": page,
        "pages": pages,
    }
    return View("home", context, ("health", "domains"), asked.address("live/home", page=page))


async def _closed(engine: source.Source, one: core.DomainFigures) -> str:
    """How many closed executions are kept, as the API counts them; a question mark while it cannot."""
    params: core.Object = {"domain": one.name, "closeTimeFilter": _EVER}
    try:
        answer = await engine.call(one.account, "CountClosedWorkflowExecutions", params)
    except refusals.Unavailable:
        return "?"  # the page says that the engine is recovering: that is why somebody looks
    return f"{answer['count']:,}" + ("+" if answer["truncated"] else "")
