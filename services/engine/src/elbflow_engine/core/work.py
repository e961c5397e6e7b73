"""One atomic unit of work: what a command, a hand-off or an expired deadline changes (spec/swf-semantics 3.1).

Everything it causes in other executions (child outcomes, external signals, child policies) is queued as *deliveries*
and carried out inside the same unit after the local part, so no outbox has to survive a crash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from elbflow_engine.core import api, choices, closed, deadlines, evolution, times, tokens
from elbflow_engine.core.model import ACTIVITY, DECISION, Activity, Child, Execution, Header
from elbflow_engine.core.world import World

Delivery: TypeAlias = Callable[["Work"], None]


@dataclass(frozen=True, slots=True)
class Closure:
    """An execution that closed in this unit, for those who have to be told. ``child_policy`` None = not applied."""

    header: Header
    event_type: str
    attributes: evolution.Attributes
    open_children: list[Child]
    child_policy: str | None


class HistoryFull(Exception):
    """The execution's history has no room for another event (spec/swf-semantics 3.1)."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(execution.header.run_id)
        self.execution = execution


class Work:
    """Collects the changes of one unit while it moves the world on.

    ``now_ms`` is the instant of its events; our choice: per execution it never goes back behind the last event (3.1).
    ``denied`` names the decisions the caller may not make (spec/swf-semantics 1.5); ``ended`` holds what it closed.
    """

    def __init__(self, world: World, now_ms: int, entropy: bytes = b"", denied: Collection[str] = frozenset()) -> None:
        self.world = world
        self.now_ms = now_ms
        self.denied = denied
        self.deliveries: deque[Delivery] = deque()
        self.closures: deque[Closure] = deque()
        self.ended: dict[tuple[str, str, str, str], Header] = {}
        self._entropy = entropy
        self._run_ids = 0
        self._changes: list[api.Change] = []
        self._appended: dict[int, tuple[int, list[bytes]]] = {}
        self._offered: dict[api.TaskRef, None] = {}

    def append(self, execution: Execution, event_type: str, attributes: evolution.Attributes) -> int:
        """Add one event to a history and apply it; returns its id."""
        assert not execution.closed, "nothing is appended after the close event"
        event_id, limit = execution.next_id, self.world.limits.history_events
        if choices.history_full(event_id, limit) and event_type not in evolution.CLOSE_STATUS:
            raise HistoryFull(execution)
        ms = max(self.now_ms, execution.last_ms)
        block = evolution.attributes_member(event_type)
        at = times.to_seconds(ms)
        written = orjson.dumps({"eventId": event_id, "eventTimestamp": at, "eventType": event_type, block: attributes})
        event = bytes(memoryview(written))  # A copy of its own size: what orjson returns holds 4 KiB for good.
        execution.events.append(event)
        self._appended.setdefault(execution.id, (event_id, []))[1].append(event)
        evolution.apply(execution, event_id, ms, event_type, attributes)
        if choices.history_full(event_id + 1, limit) and not execution.closed:
            self._stop(execution)
        return event_id

    def put(self, table: str, key: str, value: object) -> None:
        self._changes.append(api.Put(table, key, orjson.dumps(value)))

    def delete(self, table: str, key: str) -> None:
        self._changes.append(api.Delete(table, key))

    def closed(self, header: Header) -> None:
        """The execution has left the world; the journal keeps it until its retention is over (3.5: 6)."""
        purge_ms = self.world.purge_ms(header)
        self.world.retention.expect(purge_ms, self.now_ms)
        self.ended[header.account, header.domain, *header.run] = header
        self._changes.append(api.Close(closed.to_row(header, purge_ms)))

    def truncate(self, execution_id: int, last_event_id: int) -> None:
        self._changes.append(api.Truncate(execution_id, last_event_id))

    def watch(self, execution: Execution, kind: deadlines.Kind, reference: int = 0) -> None:
        self.world.deadlines.watch(kind, execution.id, reference)

    def offer_decision(self, execution: Execution) -> None:
        """The decision task becomes pollable once this unit is durable."""
        execution.decision.sequence = self.world.sequence()
        self.reoffer(api.TaskRef(DECISION, execution.id, execution.decision.scheduled_id))
        self.watch(execution, deadlines.Kind.DECISION_SCHEDULE_TO_START, execution.decision.scheduled_id)

    def offer_activity(self, execution: Execution, activity: Activity) -> None:
        activity.sequence = self.world.sequence()
        self.reoffer(api.TaskRef(ACTIVITY, execution.id, activity.scheduled_id))

    def reoffer(self, task: api.TaskRef) -> None:
        """Offer a task at the place it already has."""
        self._offered[task] = None

    def withdraw(self, kind: str, execution: Execution, scheduled_id: int) -> None:
        self.world.matching.withdraw(api.TaskRef(kind, execution.id, scheduled_id))

    def run_id(self) -> str:
        """A fresh run id; needs entropy."""
        assert self._entropy, "this unit of work was given no entropy"
        self._run_ids += 1
        return tokens.run_id(self._entropy, self._run_ids)

    def _stop(self, execution: Execution) -> None:
        """There is room for the close event only: no task may start any more, and the engine closes it soon."""
        self.watch(execution, deadlines.Kind.HISTORY_FULL)
        for task in execution.tasks():
            self.world.matching.withdraw(task)

    def transition(
        self, result: api.Answer = None, started: api.TaskRef | None = None, due: float | None = None
    ) -> api.Transition:
        """What this unit did; call it once, at its end."""
        appends = (api.Append(key, first, tuple(events)) for key, (first, events) in self._appended.items())
        return api.Transition(result, (*self._changes, *appends), tuple(self._offered), started, due)
