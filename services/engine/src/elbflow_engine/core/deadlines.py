"""Every instant at which something happens by itself (spec/swf-semantics 5, swf-long-poll-scale 6.6).

One heap with lazy deletion: an entry only says "look at this again at that instant"; :func:`instant` is the truth.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

from elbflow_engine.core import choices, times
from elbflow_engine.core.model import Activity, Execution

_SWEEP_FROM = 4096


class Kind(enum.IntEnum):
    """What expires; among deadlines of one instant the smaller value fires first."""

    EXECUTION = 0
    HEARTBEAT = 1
    START_TO_CLOSE = 2
    SCHEDULE_TO_START = 3
    SCHEDULE_TO_CLOSE = 4
    DECISION_START_TO_CLOSE = 5
    DECISION_SCHEDULE_TO_START = 6
    TIMER = 7
    HISTORY_FULL = 8


ACTIVITY_KINDS = (Kind.HEARTBEAT, Kind.START_TO_CLOSE, Kind.SCHEDULE_TO_START, Kind.SCHEDULE_TO_CLOSE)
DECISION_KINDS = (Kind.DECISION_START_TO_CLOSE, Kind.DECISION_SCHEDULE_TO_START)


class Deadline(NamedTuple):
    """``reference`` is the scheduled event id of a task, the started event id of a timer, else 0."""

    at_ms: int
    kind: Kind
    execution_id: int
    reference: int = 0


class Deadlines:
    """A heap of deadlines; ``instant`` tells when one really is due, None when it is void."""

    def __init__(self, instant: Callable[[Kind, int, int], int | None]) -> None:
        self._instant = instant
        self._heap: list[Deadline] = []
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        return len(self._heap)

    def watch(self, kind: Kind, execution_id: int, reference: int = 0) -> None:
        """Look at this deadline when it is due, if it exists."""
        at_ms = self._instant(kind, execution_id, reference)
        if at_ms is not None:
            heapq.heappush(self._heap, Deadline(at_ms, kind, execution_id, reference))
            if len(self._heap) > self._sweep_at:
                self._sweep()

    def next_ms(self) -> int | None:
        """Instant of the earliest live deadline."""
        self._settle_top()
        return self._heap[0].at_ms if self._heap else None

    def earliest_ms(self) -> int | None:
        """A lower bound of :meth:`next_ms` that asks nobody."""
        return self._heap[0].at_ms if self._heap else None

    def pop_due(self, now_ms: int) -> Deadline | None:
        """Take the earliest live deadline that is due at ``now_ms``."""
        self._settle_top()
        if not self._heap or self._heap[0].at_ms > now_ms:
            return None
        return heapq.heappop(self._heap)

    def _settle_top(self) -> None:
        """Drop void entries from the top and move postponed ones to their real place."""
        while self._heap:
            top = self._heap[0]
            at_ms = self._instant(top.kind, top.execution_id, top.reference)
            if at_ms == top.at_ms:
                return
            heapq.heappop(self._heap)
            if at_ms is not None:
                heapq.heappush(self._heap, Deadline(at_ms, top.kind, top.execution_id, top.reference))

    def _sweep(self) -> None:
        """Void entries would stay until their instant, up to a year: drop them before they outnumber the others."""
        self._heap = [
            entry for entry in self._heap if self._instant(entry.kind, entry.execution_id, entry.reference) is not None
        ]
        heapq.heapify(self._heap)
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._heap))


def instant(execution: Execution, kind: Kind, reference: int, history_limit: int) -> int | None:
    """When a deadline of an open execution is due; None when there is none (any more)."""
    if kind is Kind.EXECUTION:
        header = execution.header
        duration = times.duration_ms(header.settings.execution_timeout)
        return header.start_ms + (times.YEAR_S * 1000 if duration is None else duration)
    if kind is Kind.HISTORY_FULL:
        return execution.last_ms if choices.history_full(execution.next_id, history_limit) else None
    if kind is Kind.TIMER:
        timer = execution.timers.get(reference)
        return None if timer is None else timer.fires_ms
    if kind in DECISION_KINDS:
        return _decision_instant(execution, kind, reference)
    activity = execution.activities.get(reference)
    return None if activity is None else _activity_instant(activity, kind)


def of_execution(execution: Execution) -> Iterator[tuple[Kind, int]]:
    """Every deadline an open execution may have; some may turn out not to exist."""
    yield Kind.EXECUTION, 0
    yield Kind.HISTORY_FULL, 0
    for kind in DECISION_KINDS:
        yield kind, execution.decision.scheduled_id
    for timer in execution.timers:
        yield Kind.TIMER, timer
    for activity in execution.activities:
        for kind in ACTIVITY_KINDS:
            yield kind, activity


def _decision_instant(execution: Execution, kind: Kind, reference: int) -> int | None:
    decision = execution.decision
    if decision.scheduled_id != reference or not reference:
        return None
    if kind is Kind.DECISION_START_TO_CLOSE:
        if not decision.started_id:
            return None
        return times.after(decision.started_ms, times.duration_ms(execution.header.settings.task_timeout))
    if decision.started_id or decision.override is None or decision.override.schedule_to_start is None:
        return None
    return times.after(decision.pollable_ms, times.duration_ms(decision.override.schedule_to_start))


def _activity_instant(activity: Activity, kind: Kind) -> int | None:
    if kind is Kind.SCHEDULE_TO_CLOSE:
        return times.after(activity.scheduled_ms, activity.schedule_to_close)
    if kind is Kind.SCHEDULE_TO_START:
        return None if activity.started_id else times.after(activity.scheduled_ms, activity.schedule_to_start)
    if not activity.started_id:
        return None
    if kind is Kind.START_TO_CLOSE:
        return times.after(activity.started_ms, activity.start_to_close)
    assert kind is Kind.HEARTBEAT
    return times.after(activity.heartbeat_ms or activity.started_ms, activity.heartbeat)
