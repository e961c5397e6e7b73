"""``/debug/polling``: why each lane is or is not polling, as JSON for programs and as tables for people."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import orjson

from elbflow.polling.debug import LaneQuery, View
from elbflow.polling.scheduler import Scheduler
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics

Form: TypeAlias = Literal["json", "html", "text"]
Page: TypeAlias = Callable[[Mapping[str, str], Form], Awaitable[str]]

_STYLE = (
    ":root{color-scheme:light dark}body{font:14px/1.4 system-ui,sans-serif;margin:1rem 1.5rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}h2{font-size:1rem;margin:1.2rem 0 .3rem}"
    "th,td{text-align:left;padding:.2rem .7rem .2rem 0;border-bottom:1px solid #8886;white-space:nowrap}"
    "th{font-weight:600;opacity:.75}"
)
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class Cell:
    """A text that may lead to another view."""

    text: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What both the page and the plain text are made of."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]


def page_of(scheduler: Scheduler) -> Page:
    """A page for ``elbflow.service.Process.add_debug``."""

    async def answer(query: Mapping[str, str], form: Form) -> str:
        return render(await scheduler.look(LaneQuery.parse(query)), form)

    return answer


def render(view: View, form: Form) -> str:
    """``view`` in one of the forms."""
    if form == "json":
        return orjson.dumps(view, option=_JSON).decode()
    tables = (_scheduler(view.scheduler), _tenants(view), _classes(view), _waiting(view), _lanes(view))
    return (_as_page if form == "html" else _as_text)(tables)


def _scheduler(now: SchedulerStatistics) -> Table:
    rows = [
        ("endpoint", "answers" if now.endpoint_open else f"does not answer, round {now.endpoint_failing_rounds}"),
        *((url, "up" if is_up else "down") for url, is_up in now.endpoints.items()),
        ("profile", f"{now.profile}, holds {now.hold_s:.1f} s"),
        ("polls in flight", f"{now.budget_used} of {now.budget_limit}, {now.budget_reserve} kept for unpolled lanes"),
        ("lanes and budget", now.sharing.arithmetic),
        (
            "pending tasks counted",
            f"{now.probes.asked} times, {now.probes.found} with work, {now.probes.failed} failed",
        ),
        ("handlers", str(now.handlers)),
        *((f"{one.kind.value} polls", f"{one.rate:g} of {one.configured:g} per second") for one in now.governors),
        ("identity", now.identity),
        ("draining", "yes" if now.stopping else "no"),
    ]
    return Table("Scheduler", ("", ""), [_cells(*row) for row in rows])


def _tenants(view: View) -> Table:
    rows = [
        [
            Cell(one.tenant, replace(view.query, tenant=one.tenant, offset=0).url()),
            *_cells(one.lanes, one.used, one.cap, one.guaranteed),
        ]
        for one in view.scheduler.tenants
    ]
    return Table("Tenants", ("tenant", "lanes", "polls", "may have", "guaranteed"), rows)


def _classes(view: View) -> Table:
    rows = [
        [
            Cell(one.lane_class, replace(view.query, lane_class=one.lane_class, kind=one.kind.value, offset=0).url()),
            *_cells(one.kind.value, one.lanes, one.target, one.parked, one.running, one.slots),
            *_cells(f"{one.unpolled_s:.1f}", "" if one.backlog is None else one.backlog),
        ]
        for one in view.classes
    ]
    columns = ("class", "kind", "lanes", "target", "parked", "running", "slots", "longest unpolled s", "backlog")
    return Table("All lanes by class", columns, rows)


def _waiting(view: View) -> Table:
    rows = [
        [Cell(str(count)), Cell(why.value, replace(view.query, waiting=why.value, offset=0).url())]
        for why, count in view.waiting.items()
    ]
    return Table("Why no further poll", ("lanes", "reason"), rows)


def _lanes(view: View) -> Table:
    first = view.query.offset + 1 if view.lanes else 0
    title = f"Lanes {first} to {view.query.offset + len(view.lanes)} of {view.matching} that match"
    rows = [[Cell(cell(lane)) for cell in _LANE_COLUMNS.values()] for lane in view.lanes]
    if view.next is not None:
        rows.append([Cell("next page", view.next)] + [Cell("")] * (len(_LANE_COLUMNS) - 1))
    return Table(title, tuple(_LANE_COLUMNS), rows)


def _flags(lane: LaneStatistics) -> str:
    flags = [f"weight {lane.weight:g}"] if lane.weight != 1.0 else []
    flags += ["latency critical"] if lane.latency_critical else []
    flags += [f"within {lane.max_dispatch_latency_s:g} s"] if lane.max_dispatch_latency_s is not None else []
    return ", ".join(flags)


_LANE_COLUMNS: dict[str, Callable[[LaneStatistics], str]] = {
    "task list": lambda lane: lane.task_list.name,
    "class": lambda lane: lane.lane_class,
    "kind": lambda lane: lane.task_list.kind.value,
    "domain": lambda lane: lane.task_list.domain,
    "tenant": lambda lane: lane.tenant,
    "target": lambda lane: f"{lane.target} (wants {lane.wanted} of {lane.min_polls}–{lane.ceiling})",
    "parked": lambda lane: str(lane.parked),
    "slots": lambda lane: f"{lane.slots_used} of {lane.slots}",
    "pace s": lambda lane: f"{lane.pace_s:.1f}",
    "unpolled s": lambda lane: f"{lane.unpolled_s:.1f}",
    "last": lambda lane: lane.last_outcome.value if lane.last_outcome is not None else "",
    "hit rate": lambda lane: f"{lane.hit_rate:.2f}",
    "hot": lambda lane: f"{lane.hot}{', blocked' if lane.blocked else ''}",
    "tasks/s": lambda lane: f"{lane.arrivals:.2f}",
    "backlog": lambda lane: "" if lane.backlog is None else str(lane.backlog),
    "turn within s": lambda lane: f"{lane.bound_s:.1f}",
    "polls": lambda lane: str(lane.polls),
    "tasks": lambda lane: str(lane.tasks),
    "why no further poll": lambda lane: lane.waiting.value + (f": {lane.failure}" if lane.failure else ""),
    "asked for": _flags,
}


def _cells(*texts: object) -> list[Cell]:
    return [Cell(str(text)) for text in texts]


def _as_text(tables: tuple[Table, ...]) -> str:
    return "\n".join(_table_as_text(table) for table in tables)


def _table_as_text(table: Table) -> str:
    rows = [table.columns, *(tuple(cell.text for cell in row) for row in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return f"{table.title}\n" + "".join(f"  {line}\n" for line in lines if line)


def _as_page(tables: tuple[Table, ...]) -> str:
    body = "".join(_table_as_html(table) for table in tables)
    head = f'<meta charset="utf-8"><title>Lanes</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><a href="?">all lanes</a>{body}</body></html>\n'


def _table_as_html(table: Table) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in table.columns)
    rows = "".join("<tr>" + "".join(_cell_as_html(cell) for cell in row) + "</tr>" for row in table.rows)
    return f"<h2>{html.escape(table.title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell_as_html(cell: Cell) -> str:
    text = html.escape(cell.text)
    return f"<td>{text}</td>" if cell.link is None else f'<td><a href="{html.escape(cell.link)}">{text}</a></td>'
