"""``elbflow polling``: why each lane of a running service is or is not polling."""

from __future__ import annotations

import argparse
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, TypeAlias

from rich import box, console, table
from rich.text import Text

from elbflow import errors
from elbflow_standalone import commands, layout, stack_file

SERVICES = ("decider", "activities", "agent")
"""Programs of the stack that poll."""

_FILTERS = ("class", "kind", "domain", "tenant", "list", "outcome", "waiting", "sort")
_TIMEOUT_S = 10.0
_PAGE = 1000
_WIDE = 120
_NARROW = ("task list", "parked", "slots", "unpolled", "last", "why no further poll")

View: TypeAlias = dict[str, Any]


class NotPolling(errors.Permanent):
    """There is no service at this address that explains its polling."""


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("polling", help="why each lane of a service is or is not polling SWF")
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="admin address of one service (default: all of the running stack)"
    )
    commands.add_data_dir(parser)
    for name in _FILTERS:
        parser.add_argument(f"--{name}", dest=f"of_{name}", metavar="TEXT", help=_HELP.get(name, f"only this {name}"))
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="lanes to show of each service (default 50)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Return 0 when every service asked could be asked."""
    query = {name: value for name in _FILTERS if (value := getattr(arguments, f"of_{name}")) is not None}
    views = {name: _view(url, query, arguments.limit) for name, url in _addresses(arguments).items()}
    if arguments.json:
        print(json.dumps(views, indent=2))
    else:
        screen = console.Console()
        for name, view in views.items():
            show(screen, name, view)
    return 0


def show(screen: console.Console, name: str, view: View) -> None:
    """Print one service as tables: its totals, its classes, its lanes."""
    screen.print(Text(f"{name}: {_summary(view['scheduler'])}", style="bold"))
    screen.print(_table("all lanes by class", _CLASS_COLUMNS, view["classes"]))
    if view["lanes"]:
        title = f"{len(view['lanes'])} of {view['matching']} lanes that match"
        columns = {name: cell for name, cell in _LANE_COLUMNS.items() if name in _NARROW or screen.width >= _WIDE}
        screen.print(_table(title, columns, view["lanes"]))
    screen.print()


def _addresses(arguments: argparse.Namespace) -> dict[str, str]:
    if arguments.url is not None:
        return {arguments.url: arguments.url}
    where: layout.Layout = stack_file.load_layout(arguments.data_dir)
    return {service: where.admin_url(service) for service in SERVICES}


def _view(url: str, query: dict[str, str], limit: int) -> View:
    """The service's answer with up to ``limit`` lanes, from as many pages as needed. Raises :class:`NotPolling`."""
    view = _page(url, query, 0, min(limit, _PAGE))
    while len(view["lanes"]) < min(limit, view["matching"]):
        shown = len(view["lanes"])
        more = _page(url, query, shown, min(limit - shown, _PAGE))["lanes"]
        if not more:
            break
        view["lanes"] += more
    return view


def _page(url: str, query: dict[str, str], offset: int, limit: int) -> View:
    asked = urllib.parse.urlencode({**query, "offset": offset, "limit": limit, "format": "json"})
    address = f"{url.rstrip('/')}/debug/polling?{asked}"
    if not address.startswith(("http://", "https://")):
        raise NotPolling(f"{url} is no address; give one like http://127.0.0.1:8712")
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise NotPolling(f"{url} answers {error.code}: {error.read().decode(errors='replace').strip()}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotPolling(f"{url} does not explain its polling: {getattr(error, 'reason', error)}") from error


def _summary(now: View) -> str:
    rates = ", ".join(f"{one['rate']:g} {one['kind']} polls/s" for one in now["governors"])
    state = "draining" if now["stopping"] else "endpoint answers" if now["endpoint_open"] else "endpoint is silent"
    budget = f"{now['budget_used']} of {now['budget_limit']} connections"
    down = "".join(f", {url} is down" for url, is_up in now["endpoints"].items() if not is_up)
    turns = now["sharing"]["worst_s"]
    waits = "" if turns == 0.0 else ", turns may never come" if turns is None else f", turns within {turns:.0f} s"
    return f"{budget}, {now['handlers']} handlers, {state}{down}, holds {now['hold_s']:.0f} s{waits}, {rates}"


def _table(title: str, columns: dict[str, Callable[[View], object]], rows: list[View]) -> table.Table:
    made = table.Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for column in columns:
        made.add_column(column)
    for row in rows:
        made.add_row(*(Text(str(cell(row))) for cell in columns.values()))
    return made


_CLASS_COLUMNS: dict[str, Callable[[View], object]] = {
    "class": lambda row: row["lane_class"],
    "kind": lambda row: row["kind"],
    "lanes": lambda row: row["lanes"],
    "parked": lambda row: f"{row['parked']} of {row['target']}",
    "running": lambda row: f"{row['running']} of {row['slots']}",
    "longest unpolled": lambda row: f"{row['unpolled_s']:.1f} s",
    "backlog": lambda row: "" if row["backlog"] is None else row["backlog"],
}

_LANE_COLUMNS: dict[str, Callable[[View], object]] = {
    "task list": lambda row: row["task_list"]["name"],
    "class": lambda row: row["lane_class"],
    "kind": lambda row: row["task_list"]["kind"],
    "parked": lambda row: f"{row['parked']} of {row['target']}",
    "slots": lambda row: f"{row['slots_used']} of {row['slots']}",
    "pace": lambda row: f"{row['pace_s']:.1f} s",
    "unpolled": lambda row: f"{row['unpolled_s']:.1f} s",
    "last": lambda row: row["last_outcome"] or "",
    "hits": lambda row: f"{100 * row['hit_rate']:.0f} %",
    "tasks": lambda row: row["tasks"],
    "why no further poll": lambda row: row["failure"] or row["waiting"],
}

_HELP = {
    "list": "only task lists whose name contains this",
    "waiting": "only lanes whose reason for not polling contains this, as: budget",
    "outcome": "only lanes whose last poll ended so, as: early",
    "sort": "highest first: unpolled, parked, tasks, polls or pace",
}
