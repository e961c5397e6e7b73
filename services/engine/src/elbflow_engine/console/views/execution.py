"""One execution: its facts, its timeline, its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import markupsafe

from elbflow_engine.console import asked, events, histories, payloads, rendering, source, timeline
from elbflow_engine.console.views.base import View

PAGE = 100
MOST_LIVE = 100
"""New events shown one by one; more of them at once are only counted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which execution, and which of its events the table shows: from ``first`` on, newest or oldest on top."""

    run: histories.Run
    newest_first: bool
    first: int | None
    window: bool

    @classmethod
    def of(cls, query: asked.Query) -> Place:
        """Raises :class:`asked.Unclear`."""
        run = histories.Run(query.text("account"), query.text("domain"), query.text("workflow"), query.text("run"))
        newest_first = query.choice("order", "oldest", "newest") == "newest"
        return cls(run, newest_first, query.number("first"), query.choice("picture", "whole", "page") == "page")

    def address(self, first: int | None = None, **changes: str | None) -> str:
        """The page of this execution that begins with event ``first``."""
        kept = {"order": "newest" if self.newest_first else None, "picture": "page" if self.window else None}
        run = self.run
        names = {"account": run.owner, "domain": run.domain, "workflow": run.workflow_id, "run": run.run_id}
        return asked.address("execution", **(names | kept | changes), first=first)

    def shown(self, newest: int) -> range:
        """The ids on the page, ascending, when the last event has id ``newest``."""
        if self.newest_first:
            top = min(self.first or newest, newest)
            return range(max(1, top - PAGE + 1), top + 1)
        begin = min(self.first or 1, newest)
        return range(begin, min(begin + PAGE, newest + 1))

    def href(self, shown: range, event_id: int) -> str:
        """Where an event is: on this page, or on the one that begins with its neighbours."""
        if event_id in shown:
            return f"#event-{event_id}"
        if self.newest_first:
            return f"{self.address(event_id + PAGE // 2)}#event-{event_id}"
        return f"{self.address(max(1, event_id - PAGE // 2))}#event-{event_id}"

    @property
    def whole(self) -> str:
        """The address of single events, to be completed by their id."""
        run = self.run
        names = {"account": run.owner, "domain": run.domain, "workflow": run.workflow_id, "run": run.run_id}
        return asked.address("event", **names) + "&event="

    def run_href(self, workflow_id: str, run_id: str) -> str:
        """The page of another execution of the same domain."""
        run = self.run
        return asked.address("execution", account=run.owner, domain=run.domain, workflow=workflow_id, run=run_id)


async def view(
    engine: source.Source, reader: histories.Reader, renderer: rendering.Renderer, query: asked.Query
) -> View:
    """Raises :class:`core.Fault` when there is no such execution, ``TimeoutError`` when its history is too large."""
    place = Place.of(query)
    newest = await reader.newest_id(place.run)
    shown = place.shown(newest)
    history = await reader.read(place.run, shown)
    facts = await facts_of(engine, place)
    picture = await renderer.run(lambda: draw(place, history.all, shown, engine.now_ms()))
    rows = await renderer.run(lambda: rows_of(place, history, shown))
    # Only a page that ends with the newest event may grow.
    at_end = newest in shown
    live = place.address(order="newest" if place.newest_first else None).replace("/console/", "/console/live/", 1)
    context = {
        **facts,
        "account": place.run.owner,
        "domain": place.run.domain,
        "newest": history.newest,
        "picture": picture,
        "window": place.window,
        "rows": rows,
        "newest_first": place.newest_first,
        "addresses": _addresses(place, shown, newest),
        "shown": shown,
        "whole": place.whole,
    }
    is_open = facts["status"] == "OPEN"
    live = f"{live}&after={history.newest if at_end else 0}&picture={'page' if place.window else 'whole'}"
    return View("execution", context, ("facts", "picture"), live if is_open else None)


async def one_event(engine: source.Source, reader: histories.Reader, query: asked.Query) -> dict[str, Any] | None:
    """One whole event in wire form; None when there is no such event."""
    place = Place.of(query)
    wanted = query.number("event") or 0
    history = await reader.read(place.run, range(wanted, wanted + 1))
    return dict(history.shown[0]) if history.shown else None


async def facts_of(engine: source.Source, place: Place) -> dict[str, Any]:
    """What DescribeWorkflowExecution says, for the template."""
    run = place.run
    detail = await engine.call(run.owner, "DescribeWorkflowExecution", run.params)
    info = detail["executionInfo"]
    parent = info.get("parent")
    start_ms = events.milliseconds(info["startTimestamp"])
    end_ms = events.milliseconds(info["closeTimestamp"]) if "closeTimestamp" in info else None
    return {
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "type": f"{info['workflowType']['name']} {info['workflowType']['version']}",
        "status": info.get("closeStatus", "OPEN"),
        "cancel_requested": info["cancelRequested"],
        "start_ms": start_ms,
        "end_ms": end_ms,
        "took_ms": None if end_ms is None else end_ms - start_ms,
        "tags": info.get("tagList", []),
        "parent": parent,
        "parent_href": parent and place.run_href(parent["workflowId"], parent["runId"]),
        "configuration": detail["executionConfiguration"],
        "counts": {name: count for name, count in detail["openCounts"].items() if count},
        "latest_context": detail.get("latestExecutionContext"),
    }


def draw(place: Place, known: list[events.Event], shown: range, now_ms: int) -> markupsafe.Markup:
    """The timeline, of the whole history or of the time of the events shown."""
    story = timeline.read(known, now_ms)
    window = (known[shown[0] - 1].ms, known[shown[-1] - 1].ms) if place.window and shown else None
    return timeline.draw(story, lambda event_id: place.href(shown, event_id), window)


def rows_of(place: Place, history: histories.History, shown: range) -> list[payloads.Row]:
    """Rows of the events shown, in the order of the page."""
    ordered = history.shown[::-1] if place.newest_first else history.shown
    start_ms = history.all[0].ms
    return payloads.rows(ordered, start_ms, lambda event_id: place.href(shown, event_id), place.run_href)


def _addresses(place: Place, shown: range, newest: int) -> dict[str, str | None]:
    """Where the page's links lead; None where there is nothing."""
    low, high = shown[0], shown[-1]
    older = place.address(low - 1 if place.newest_first else max(1, low - PAGE)) if low > 1 else None
    newer = place.address(high + PAGE if place.newest_first else high + 1) if high < newest else None
    return {
        "older": older,
        "newer": newer,
        "oldest_first": place.address(order=None),
        "newest_first": place.address(order="newest"),
        "whole_picture": place.address(place.first, picture=None),
        "page_picture": place.address(place.first, picture="page"),
    }
