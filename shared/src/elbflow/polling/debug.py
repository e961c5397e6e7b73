"""Looking at thousands of lanes: which of them, in which order, how many at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from urllib.parse import urlencode

from elbflow import clock as clocks
from elbflow.polling import report
from elbflow.polling.core import Core
from elbflow.polling.gauges import ClassTotals
from elbflow.polling.lane import LaneState
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics, Waiting

DEFAULT_LIMIT = 100
LIMIT_MAX = 1_000
LANES_PER_TURN = 250

_ORDERS: dict[str, Callable[[LaneStatistics], float]] = {
    "unpolled": attrgetter("unpolled_s"),
    "parked": attrgetter("parked"),
    "tasks": attrgetter("tasks"),
    "polls": attrgetter("polls"),
    "pace": attrgetter("pace_s"),
}


@dataclass(frozen=True, slots=True)
class LaneQuery:
    """Which lanes to show. Empty filters let everything pass; ``list`` and ``waiting`` match a part of the text.

    Lanes come in the order in which they were added, or the highest of ``sort`` first.
    """

    lane_class: str = ""
    kind: str = ""
    domain: str = ""
    tenant: str = ""
    list: str = ""
    outcome: str = ""
    waiting: str = ""
    sort: str = ""
    offset: int = 0
    limit: int = DEFAULT_LIMIT

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> LaneQuery:
        """From the query of a URL, where ``lane_class`` is ``class``. ``ValueError`` says what is wrong with it."""
        given = {"lane_class" if name == "class" else name: value for name, value in query.items()}
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            names = ", ".join("class" if name == "lane_class" else name for name in known)
            raise ValueError(f"unknown: {', '.join(unknown)}; there are {names}, format")
        if given.get("sort", "") not in ("", *_ORDERS):
            raise ValueError(f"sort must be one of {', '.join(_ORDERS)}")
        return cls(
            lane_class=given.get("lane_class", ""),
            kind=given.get("kind", ""),
            domain=given.get("domain", ""),
            tenant=given.get("tenant", ""),
            list=given.get("list", ""),
            outcome=given.get("outcome", ""),
            waiting=given.get("waiting", ""),
            sort=given.get("sort", ""),
            offset=_number("offset", given.get("offset", "0")),
            limit=_number("limit", given.get("limit", str(DEFAULT_LIMIT))),
        )

    def after(self) -> LaneQuery:
        """The page that follows."""
        return replace(self, offset=self.offset + self.limit)

    def url(self) -> str:
        """The query of a URL that asks for this."""
        given = {
            "class" if field.name == "lane_class" else field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return "?" + urlencode(given)

    def admits(self, lane: LaneState) -> bool:
        """Whether ``lane`` passes the filters that cost nothing to ask."""
        return (
            self.lane_class in ("", lane.lane_class)
            and self.kind in ("", lane.kind.value)
            and self.domain in ("", lane.task_list.domain)
            and self.tenant in ("", lane.tenant)
            and self.outcome in ("", lane.last_outcome)
            and self.list in lane.task_list.name
        )


@dataclass(frozen=True, slots=True)
class View:
    """An answer: ``matching`` lanes passed the filters, of which ``lanes`` are shown; ``next`` asks for more.

    ``waiting`` counts all lanes that passed by why they have no further poll in flight.
    """

    scheduler: SchedulerStatistics
    classes: tuple[ClassTotals, ...]
    waiting: dict[Waiting, int]
    matching: int
    query: LaneQuery
    next: str | None
    lanes: tuple[LaneStatistics, ...]


async def look(core: Core, totals: SchedulerStatistics, query: LaneQuery, clock: clocks.Clock) -> View:
    """Carry ``query`` out, a few hundred lanes per turn of the loop: lanes late in the answer may be seen later."""
    found: list[LaneStatistics] = []
    for number, lane in enumerate(tuple(core.lanes.values()), 1):
        if query.admits(lane):
            one = report.of_lane(core, lane, clock.monotonic())
            if query.waiting in one.waiting:
                found.append(one)
        if number % LANES_PER_TURN == 0:
            await asyncio.sleep(0)
    if query.sort:
        found.sort(key=_ORDERS[query.sort], reverse=True)
    end = query.offset + query.limit
    return View(
        scheduler=totals,
        classes=tuple(report.of_classes(core, clock.monotonic())),
        waiting=dict(Counter(one.waiting for one in found).most_common()),
        matching=len(found),
        query=query,
        next=query.after().url() if end < len(found) else None,
        lanes=tuple(found[query.offset : end]),
    )


def _number(name: str, text: str) -> int:
    most = LIMIT_MAX if name == "limit" else 1 << 31
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise ValueError(f"{name} must be a whole number up to {most}")
    return int(text)
