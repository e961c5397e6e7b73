"""From a history to lanes (spec/swf-semantics 8: which event opens, starts and closes what)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from elbflow_engine.console import events as histories
from elbflow_engine.console.timeline.model import Lane, Mark, Outcome, Span, Story

_FAMILIES = (
    "execution",
    "signal",
    "cancel",
    "decision",
    "problem",
    "activity",
    "lambda",
    "timer",
    "child",
    "external",
    "marker",
)
"""Lanes from top to bottom; inside a family in the order of first use."""

# Opening event: family, and the member that names the lane (None: one lane for the family).
_OPENS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "DecisionTaskScheduled": ("decision", None),
        "ActivityTaskScheduled": ("activity", "activityType"),
        "LambdaFunctionScheduled": ("lambda", "name"),
        "TimerStarted": ("timer", None),
        "StartChildWorkflowExecutionInitiated": ("child", "workflowType"),
        "SignalExternalWorkflowExecutionInitiated": ("external", None),
        "RequestCancelExternalWorkflowExecutionInitiated": ("external", None),
    }
)
_STARTS: Mapping[str, str] = MappingProxyType(
    {
        "DecisionTaskStarted": "scheduledEventId",
        "ActivityTaskStarted": "scheduledEventId",
        "LambdaFunctionStarted": "scheduledEventId",
        "ChildWorkflowExecutionStarted": "initiatedEventId",
    }
)
# Closing event: the link to the opening one, and how it ended.
_ENDS: Mapping[str, tuple[str, Outcome]] = MappingProxyType(
    {
        "DecisionTaskCompleted": ("scheduledEventId", Outcome.COMPLETED),
        "DecisionTaskTimedOut": ("scheduledEventId", Outcome.TIMED_OUT),
        "ActivityTaskCompleted": ("scheduledEventId", Outcome.COMPLETED),
        "ActivityTaskFailed": ("scheduledEventId", Outcome.FAILED),
        "ActivityTaskTimedOut": ("scheduledEventId", Outcome.TIMED_OUT),
        "ActivityTaskCanceled": ("scheduledEventId", Outcome.CANCELED),
        "LambdaFunctionCompleted": ("scheduledEventId", Outcome.COMPLETED),
        "LambdaFunctionFailed": ("scheduledEventId", Outcome.FAILED),
        "LambdaFunctionTimedOut": ("scheduledEventId", Outcome.TIMED_OUT),
        "StartLambdaFunctionFailed": ("scheduledEventId", Outcome.FAILED),
        "TimerFired": ("startedEventId", Outcome.COMPLETED),
        "TimerCanceled": ("startedEventId", Outcome.CANCELED),
        "ChildWorkflowExecutionCompleted": ("initiatedEventId", Outcome.COMPLETED),
        "ChildWorkflowExecutionFailed": ("initiatedEventId", Outcome.FAILED),
        "ChildWorkflowExecutionTimedOut": ("initiatedEventId", Outcome.TIMED_OUT),
        "ChildWorkflowExecutionCanceled": ("initiatedEventId", Outcome.CANCELED),
        "ChildWorkflowExecutionTerminated": ("initiatedEventId", Outcome.TERMINATED),
        "StartChildWorkflowExecutionFailed": ("initiatedEventId", Outcome.FAILED),
        "ExternalWorkflowExecutionSignaled": ("initiatedEventId", Outcome.COMPLETED),
        "SignalExternalWorkflowExecutionFailed": ("initiatedEventId", Outcome.FAILED),
        "ExternalWorkflowExecutionCancelRequested": ("initiatedEventId", Outcome.COMPLETED),
        "RequestCancelExternalWorkflowExecutionFailed": ("initiatedEventId", Outcome.FAILED),
    }
)
_MARKS: Mapping[str, str] = MappingProxyType(
    {
        "WorkflowExecutionSignaled": "signal",
        "WorkflowExecutionCancelRequested": "cancel",
        "ActivityTaskCancelRequested": "cancel",
        "MarkerRecorded": "marker",
    }
)
_CLOSE_OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "completed": Outcome.COMPLETED,
        "continued as new": Outcome.COMPLETED,
        "failed": Outcome.FAILED,
        "timed out": Outcome.TIMED_OUT,
        "canceled": Outcome.CANCELED,
        "terminated": Outcome.TERMINATED,
    }
)
_ASLEEP = frozenset({"execution", "timer"})
"""Families of spans during which nobody works."""
_LABELS = MappingProxyType(
    {
        "execution": "execution",
        "signal": "signals",
        "cancel": "cancel requests",
        "decision": "decision tasks",
        "problem": "refused decisions",
        "timer": "timers",
        "external": "to other executions",
        "marker": "markers",
    }
)
_NAMES = (
    *("activityId", "timerId", "signalName", "markerName", "workflowId", "id", "activityType", "workflowType"),
    *("startToFireTimeout", "taskList"),
)
_REASONS = ("cause", "reason", "timeoutType", "message")


class _Reader:
    def __init__(self, first: histories.Event) -> None:
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._open: dict[int, Span] = {}
        self.execution = Span(first.id, first.words.get("workflowType", ""), first.ms, first.ms, last_id=first.id)
        self._lane("execution", "").spans.append(self.execution)

    @property
    def lanes(self) -> list[Lane]:
        order = {family: number for number, family in enumerate(_FAMILIES)}
        return sorted(self._lanes.values(), key=lambda lane: order[lane.family])

    def take(self, event: histories.Event) -> None:
        kind = event.kind
        if kind in _OPENS:
            self._begin(event)
        elif kind in _STARTS:
            span = self._open.get(event.links.get(_STARTS[kind], 0))
            if span is not None:
                span.started_ms, span.last_id = event.ms, event.id
        elif kind in histories.CLOSES:
            self._end(self.execution, event, _CLOSE_OUTCOMES[histories.CLOSES[kind]])
        elif kind in _ENDS and event.links.get(_ENDS[kind][0]) in self._open:
            link, outcome = _ENDS[kind]
            self._end(self._open.pop(event.links[link]), event, outcome)
        elif kind in _MARKS or kind.endswith("Failed"):
            self._mark(event, _MARKS.get(kind, "problem"))

    def _begin(self, event: histories.Event) -> None:
        family, named_by = _OPENS[event.kind]
        span = Span(event.id, _describe(event), event.ms, last_id=event.id)
        if family == "timer":
            span.started_ms = event.ms
        self._open[event.id] = span
        self._lane(family, event.words.get(named_by, "") if named_by else "").spans.append(span)

    @staticmethod
    def _end(span: Span, event: histories.Event, outcome: Outcome) -> None:
        span.ended_ms, span.last_id, span.outcome = event.ms, event.id, outcome
        span.reason = " ".join(event.words[name] for name in _REASONS if name in event.words)

    def _mark(self, event: histories.Event, kind: str) -> None:
        reason = " ".join(event.words[name] for name in _REASONS if name in event.words)
        text = " ".join(part for part in (event.kind, _describe(event), reason) if part)
        self._lane(kind, "").marks.append(Mark(event.id, kind, event.ms, text))

    def _lane(self, family: str, name: str) -> Lane:
        lane = self._lanes.get((family, name))
        if lane is None:
            lane = self._lanes[family, name] = Lane(family, name or _LABELS.get(family, family))
        return lane


def read(events: Sequence[histories.Event], now_ms: int) -> Story:
    """The lanes of a history that begins with its first event. Links to events that are missing are ignored."""
    reader = _Reader(events[0])
    for event in events[1:]:
        reader.take(event)
    closed = reader.execution.ended_ms is not None
    end_ms = events[-1].ms if closed else max(now_ms, events[-1].ms)
    lanes = reader.lanes
    return Story(events[0].ms, end_ms, closed, lanes, list(_idle([event.ms for event in events], lanes, end_ms)))


def _idle(instants: Sequence[int], lanes: Sequence[Lane], end_ms: int) -> Iterator[tuple[int, int]]:
    """Between consecutive instants, what no span of work covers."""
    busy = sorted(
        (span.scheduled_ms, end_ms if span.ended_ms is None else span.ended_ms)
        for lane in lanes
        if lane.family not in _ASLEEP
        for span in lane.spans
    )
    covered_ms, position = 0, 0
    for begin, end in itertools.pairwise([*instants, end_ms]):
        while position < len(busy) and busy[position][0] <= begin:
            covered_ms = max(covered_ms, busy[position][1])
            position += 1
        if covered_ms <= begin < end:
            yield begin, end


def _describe(event: histories.Event) -> str:
    parts = [event.words[name] for name in _NAMES if event.words.get(name)]
    if event.kind == "TimerStarted" and parts:
        parts[-1] += " s"
    return " · ".join(dict.fromkeys(parts))
