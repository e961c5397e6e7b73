"""What a viewer of a page is told: parts of it that changed, and new events of an execution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from elbflow_engine.console import events, histories, live, payloads, rendering, source
from elbflow_engine.console.views import base, execution

_PICTURE_EVERY_LOOKS = 5
"""The bars of an open execution grow; without new events that needs no more than this."""


class Parts:
    """Parts of one page, sent whole when they differ from what was sent last."""

    def __init__(self, renderer: rendering.Renderer) -> None:
        self._renderer = renderer
        self._sent: dict[str, int] = {}

    async def changed(self, names: Sequence[str], context: dict[str, object]) -> list[live.Message]:
        messages = []
        for name in names:
            html = await self._renderer.page(f"parts/{name}.html", context)
            if self._sent.get(name) != hash(html):
                self._sent[name] = hash(html)
                messages.append(live.Message("part", {"id": name, "html": html}))
        return messages


class PageWatch:
    """Follows a page that is cheap to make: makes it again and compares."""

    def __init__(self, renderer: rendering.Renderer, make: Callable[[], Awaitable[base.View]]) -> None:
        self._parts = Parts(renderer)
        self._make = make

    async def look(self) -> Sequence[live.Message]:
        view = await self._make()
        return await self._parts.changed(view.parts, dict(view.context))


class ExecutionWatch:
    """Follows one execution by its new events alone. ``after``: the last one the viewer has, 0 when his page does not
    show the end of the history.
    """

    def __init__(
        self,
        engine: source.Source,
        reader: histories.Reader,
        renderer: rendering.Renderer,
        place: execution.Place,
        after: int,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._renderer = renderer
        self._place = place
        self._after = after
        self._parts = Parts(renderer)
        self._known: list[events.Event] = []
        self._looks = 0

    async def look(self) -> Sequence[live.Message]:
        fresh = await self._fresh()
        facts = await execution.facts_of(self._engine, self._place)
        self._looks += 1
        parts, context = ["facts"], facts | {"newest": len(self._known)}
        if fresh or fresh is None or (facts["status"] == "OPEN" and self._looks % _PICTURE_EVERY_LOOKS == 1):
            context["picture"] = await self._renderer.run(self._draw)
            parts.append("picture")
        messages = await self._parts.changed(parts, context)
        if fresh and self._after:
            messages.append(await self._rows(fresh))
        elif fresh is None and self._after:
            messages.append(live.Message("missed", {}))
            self._after = 0
        return messages

    async def _fresh(self) -> list[histories.Raw] | None:
        """New events; None when there are too many to tell one by one."""
        if self._known:
            fresh = await self._reader.follow(self._place.run, self._known, execution.MOST_LIVE)
            if fresh is not None:
                return fresh
        begin = self._after + 1 if self._after else 1 << 62
        history = await self._reader.read(self._place.run, range(begin, begin + execution.MOST_LIVE))
        is_first, self._known = not self._known, history.all
        missed = self._after and len(history.all) > self._after + execution.MOST_LIVE
        return None if missed or not is_first else history.shown

    def _draw(self) -> str:
        shown = self._place.shown(len(self._known))
        return execution.draw(self._place, self._known, shown, self._engine.now_ms())

    async def _rows(self, fresh: list[histories.Raw]) -> live.Message:
        shown = range(self._place.shown(len(self._known))[0], len(self._known) + 1)
        history = histories.History(self._known, fresh)
        rows: list[payloads.Row] = await self._renderer.run(lambda: execution.rows_of(self._place, history, shown))
        context = {"rows": rows, "whole": self._place.whole}
        html = await self._renderer.page("parts/rows.html", context)
        first = fresh[0]["eventId"]
        self._after = self._known[-1].id
        body = {"from": first, "on_top": self._place.newest_first, "html": html}
        return live.Message("rows", body, str(self._after))
