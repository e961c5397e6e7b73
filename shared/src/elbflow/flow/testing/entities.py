"""What an execution has open: activities, timers, children, and what it wants of other executions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from elbflow import swf

_TO_START = "scheduleToStartTimeout"
_TO_CLOSE = "scheduleToCloseTimeout"
_RUNNING = "startToCloseTimeout"
_SILENT = "heartbeatTimeout"


@dataclass(slots=True)
class OpenActivity:
    """An activity that SWF waits for. Times are epoch seconds; ``limits`` are the timeouts of its event, in seconds."""

    activity_id: str
    activity_type: swf.TypeId
    input: str | None
    scheduled_id: int
    scheduled_at: float = 0.0
    limits: dict[str, float] = field(default_factory=dict)
    started_id: int = 0
    started_at: float = 0.0
    beat_at: float = 0.0
    details: str | None = None
    cancel_request_id: int = 0
    untaken: bool = False

    def deadlines(self) -> Iterator[tuple[float, str]]:
        """When it times out, and how (spec/swf-semantics 5)."""
        if self.started_id:
            yield from self._after(self.started_at, _RUNNING, "START_TO_CLOSE")
            yield from self._after(self.beat_at, _SILENT, "HEARTBEAT")
        else:
            yield from self._after(self.scheduled_at, _TO_START, "SCHEDULE_TO_START")
        yield from self._after(self.scheduled_at, _TO_CLOSE, "SCHEDULE_TO_CLOSE")

    def _after(self, instant: float, limit: str, kind: str) -> Iterator[tuple[float, str]]:
        if limit in self.limits:
            yield instant + self.limits[limit], kind


@dataclass(slots=True)
class OpenTimer:
    """A running timer; ``due`` in epoch seconds."""

    timer_id: str
    started_id: int
    due: float


@dataclass(slots=True)
class OpenChild:
    """A child that was asked for; ``started_id`` and ``run_id`` are set once SWF has started it."""

    workflow_id: str
    workflow_type: swf.TypeId
    initiated_id: int
    started_id: int = 0
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What an execution wants of another: ``decision`` is the type that asked for it, ``attributes`` its event's."""

    decision: str
    initiated_id: int
    attributes: swf.Attributes

    def failure(self, cause: str) -> dict[str, swf.Json]:
        """Attributes of the event that says it did not work."""
        kept = ["workflowId", "runId", "control", "decisionTaskCompletedEventId"]
        if self.decision == "StartChildWorkflowExecution":
            kept.append("workflowType")
        said = {name: self.attributes[name] for name in kept if self.attributes.get(name) is not None}
        return {**said, "cause": cause, "initiatedEventId": self.initiated_id}


def limits_of(attributes: swf.Attributes) -> dict[str, float]:
    """The timeouts of an ActivityTaskScheduled, without those that are NONE."""
    said = {name: attributes.get(name) for name in (_TO_START, _TO_CLOSE, _RUNNING, _SILENT)}
    return {name: float(limit) for name, limit in said.items() if isinstance(limit, str) and limit != "NONE"}


def type_of(attributes: swf.Attributes, name: str) -> swf.TypeId:
    """The activity or workflow type that ``attributes`` name."""
    kind = attributes[name]
    assert isinstance(kind, dict)
    return swf.TypeId(str(kind["name"]), str(kind["version"]))
