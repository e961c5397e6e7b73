"""Rebuilding the world from the journal (spec/swf-long-poll-scale 6.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import orjson

from elbflow_engine.core import api, deadlines, evolution, polls, registered_types
from elbflow_engine.core.model import ACTIVITY, DECISION, Execution, Header, Settings
from elbflow_engine.core.world import Domain, World

_Rows: TypeAlias = dict[str, Any]


def load(world: World, rows: Iterable[api.Put], read_events: Callable[[int], Sequence[bytes]]) -> None:
    """Fill an empty world. Tasks are pollable in the order they became so; overdue deadlines are due at once."""
    tables: defaultdict[str, _Rows] = defaultdict(dict)
    for row in rows:
        tables[row.table][row.key] = orjson.loads(row.value)
    for row in tables["domain"].values():
        world.domains[row["account"], row["name"]] = Domain(**row)
    for kind in (registered_types.WORKFLOW, registered_types.ACTIVITY):
        for row in tables[kind.table].values():
            registered = registered_types.from_row(row["type"])
            kind.of(world.domains[row["account"], row["domain"]])[registered.key] = registered
    for row in tables["execution"].values():
        execution = Execution(_header(row))
        evolution.replay(execution, read_events(execution.id))
        world.add_open(execution)
    for key, row in tables["heartbeat"].items():
        execution_id, _, scheduled_id = key.partition("/")
        activity = world.open[int(execution_id)].activities[int(scheduled_id)]
        activity.heartbeat_ms, activity.heartbeat_details = row["at_ms"], row["details"]
    world.next_execution_id = tables["meta"].get("next_execution_id", 1)
    _watch(world)
    _offer(world)


def _header(row: _Rows) -> Header:
    settings = Settings(**row["settings"])
    parent = row["parent"] and tuple(row["parent"])
    return Header(**row | {"settings": settings, "workflow_type": tuple(row["workflow_type"]), "parent": parent})


def _watch(world: World) -> None:
    for execution in world.open.values():
        for kind, reference in deadlines.of_execution(execution):
            world.deadlines.watch(kind, execution.id, reference)


def _offer(world: World) -> None:
    """Queue every task that is scheduled and not started, oldest first."""
    waiting: list[tuple[int, api.TaskRef]] = []
    for execution in world.open.values():
        decision = execution.decision
        if decision.scheduled_id:
            waiting.append((decision.pollable_ms, api.TaskRef(DECISION, execution.id, decision.scheduled_id)))
        waiting += (
            (activity.scheduled_ms, api.TaskRef(ACTIVITY, execution.id, activity.scheduled_id))
            for activity in execution.activities.values()
        )
    for _, task in sorted(waiting, key=lambda item: (item[0], item[1].execution_id, item[1].scheduled_id)):
        _place(world, task)


def _place(world: World, task: api.TaskRef) -> None:
    """Every open task gets its place again, so that a started one can be un-started; only pollable ones are offered."""
    execution = world.open[task.execution_id]
    holder = execution.decision if task.kind == DECISION else execution.activities[task.scheduled_id]
    holder.sequence = world.sequence()
    key = world.pollable(task)
    if key is not None:
        world.matching.offer(key, task, *polls.place(world, task))
