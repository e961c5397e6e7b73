"""Reads load balancers with all that belongs to them: one statement for each table, however many are read."""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from elbflow.store import documents, model, rows, tables


@dataclass(frozen=True)
class _Part:
    """One table of what belongs to load balancers: how to read it and what to make of a row."""

    name: str
    select: sa.Select[Any]
    make: Callable[..., object]


def _part(table: sa.Table, make: Callable[..., object]) -> _Part:
    """All rows of the load balancers ``ids``: each one's in the order in which they are shown.

    The order is that of an index, so nothing is sorted.
    """
    columns = [table.c[name] for name in inspect.signature(make).parameters]
    shown_by = table.c.port if "port" in table.c else table.primary_key.columns[0]
    owner = table.c.load_balancer_id
    select = sa.select(owner, *columns).where(owner.in_(sa.bindparam("ids", expanding=True)))
    return _Part(table.name, select.order_by(owner, shown_by), make)


_SHOWN = (
    _part(tables.listeners, rows.listener),
    _part(tables.policies, rows.policy),
    _part(tables.zones, rows.zone),
    _part(tables.tags, rows.tag),
)
_BACKENDS = "instance ids"
_PROBLEMS = "problems"
_OF_VMS = _part(tables.vms, rows.listener_problems)
_WITH_PROBLEMS = sa.and_(
    # JSON cannot be compared everywhere. Most VMs have none.
    sa.cast(tables.vms.c.problems, sa.Text) != "[]",
    tables.vms.c.state.in_([state.value for state in documents.TALKING]),
)
_LISTED = (
    *_SHOWN,
    replace(_part(tables.backends, rows.instance_id), name=_BACKENDS),
    replace(_OF_VMS, name=_PROBLEMS, select=_OF_VMS.select.where(_WITH_PROBLEMS)),
)
_ALL = (*_SHOWN, _part(tables.backends, rows.backend), _part(tables.vms, rows.vm))


def read(
    connection: sa.Connection, heads: sa.Select[Any], parameters: dict[str, str] | None = None
) -> list[model.LoadBalancer]:
    """The load balancers of the rows that ``heads`` selects, each with all that belongs to it."""
    found = connection.execute(heads, parameters).mappings().all()
    parts = _parts(connection, found, _ALL)
    return [rows.load_balancer(head, parts) for head in found]


def read_listed(connection: sa.Connection, heads: sa.Select[Any]) -> list[model.Listed]:
    """The load balancers of the rows that ``heads`` selects, with what lists show of them."""
    found = connection.execute(heads).mappings().all()
    parts = _parts(connection, found, _LISTED)
    return [
        model.Listed(
            rows.load_balancer(head, parts),
            tuple(parts[_BACKENDS].get(head["id"], ())),
            tuple(itertools.chain(*parts[_PROBLEMS].get(head["id"], ()))),
        )
        for head in found
    ]


def _parts(connection: sa.Connection, heads: Sequence[sa.RowMapping], wanted: Iterable[_Part]) -> rows.Parts:
    if not heads:
        return {}
    ids = {"ids": [head["id"] for head in heads]}
    return {part.name: _made(part, connection.execute(part.select, ids).all()) for part in wanted}


def _made(part: _Part, found: Iterable[Sequence[Any]]) -> dict[int, list[Any]]:
    make, made = part.make, defaultdict[int, list[Any]](list)
    for lb_id, *columns in found:
        made[lb_id].append(make(*columns))
    return made
