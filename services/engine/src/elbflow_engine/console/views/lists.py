"""Task lists of a domain: who polls them and what waits on them."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow_engine import core
from elbflow_engine.console import asked, rendering, source
from elbflow_engine.console.views.base import View

LISTS_SHOWN = 200


async def view(engine: source.Source, renderer: rendering.Renderer, query: asked.Query) -> View:
    """Lists that hold a task or a poll: with a backlog first, the oldest task on top; then by name.

    Raises :class:`core.Fault` for an unknown domain.
    """
    owner, domain = query.text("account"), query.text("domain")
    # Also waits for the journal, as every answer does.
    await engine.call(owner, "DescribeDomain", {"name": domain})
    part = query.maybe("name")
    everything = engine.lists(owner, domain)
    found = await renderer.run(lambda: _found(everything, part))
    pages = max(1, -(-len(found) // LISTS_SHOWN))
    page = min(max(1, query.number("page") or 1), pages)
    shown = found[(page - 1) * LISTS_SHOWN : page * LISTS_SHOWN]
    context = {
        "account": owner,
        "domain": domain,
        "name": part or "",
        "lists": [(one, engine.pollers(owner, domain, one.kind, one.name)) for one in shown],
        "lists_in_all": len(found),
        "page": page,
        "pages": pages,
    }
    live = asked.address("live/lists", account=owner, domain=domain, name=part, page=page)
    return View("lists", context, ("lists",), live)


def _found(lists: Sequence[core.ListFigures], part: str | None) -> list[core.ListFigures]:
    """Those whose name holds ``part``, in the order of the page."""
    return sorted((one for one in lists if part is None or part in one.name), key=_order)


def _order(one: core.ListFigures) -> tuple[float, str, str]:
    return -one.oldest_ready_s if one.backlog else 0.0, one.kind, one.name
