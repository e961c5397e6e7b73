"""Histories as files: what SWF's clients download, and what recordings of this package look like."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from elbflow import swf
from elbflow.flow import errors
from elbflow.flow.core import decide


@dataclass(frozen=True, slots=True)
class History:
    """A recorded history; ``execution`` is unknown where the file does not say whose it is."""

    events: tuple[swf.HistoryEvent, ...]
    execution: swf.Execution = decide.UNKNOWN

    @property
    def type(self) -> swf.TypeId:
        """The workflow type that it began with."""
        kind = self.events[0].attributes.get("workflowType") if self.events else None
        if not isinstance(kind, dict):
            raise errors.PayloadMismatch("not a whole workflow history: it does not begin with its start")
        return swf.TypeId(str(kind["name"]), str(kind["version"]))

    @property
    def decisions(self) -> int:
        """How many decisions were answered."""
        return sum(event.type == "DecisionTaskCompleted" for event in self.events)


def parse_history(text: str) -> tuple[swf.HistoryEvent, ...]:
    """The events of a downloaded history: what GetWorkflowExecutionHistory or ``aws swf`` print as JSON.

    Timestamps may be epoch seconds or ISO 8601. Raises :class:`errors.PayloadMismatch` for anything else.
    """
    return read_history(text).events


def read_history(text: str) -> History:
    """As :func:`parse_history`, with the execution if the file names one, as those of :func:`format_history` do."""
    try:
        wire = json.loads(text)
        events = tuple(_event(event) for event in wire["events"])
        run = wire.get("workflowExecution")
        execution = decide.UNKNOWN if run is None else swf.Execution(str(run["workflowId"]), str(run["runId"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.PayloadMismatch(f"not a workflow history: {error!r}") from error
    return History(events, execution)


def format_history(execution: swf.Execution, events: Iterable[swf.HistoryEvent]) -> str:
    """A history as a file: GetWorkflowExecutionHistory's JSON, one event per line, and whose it is."""
    run = json.dumps({"workflowId": execution.workflow_id, "runId": execution.run_id})
    lines = ",\n".join(json.dumps(_wire(event)) for event in events)
    return f'{{"workflowExecution": {run}, "events": [\n{lines}\n]}}\n'


def _event(wire: dict[str, swf.Json]) -> swf.HistoryEvent:
    kind, number, stamp = str(wire["eventType"]), wire["eventId"], wire["eventTimestamp"]
    attributes = wire.get(_block(kind), {})
    if not isinstance(number, int) or not isinstance(attributes, dict):
        raise ValueError(f"event {number}")
    if isinstance(stamp, str):
        timestamp = datetime.fromisoformat(stamp).timestamp()
    elif isinstance(stamp, (int, float)):
        timestamp = float(stamp)
    else:
        raise ValueError(f"timestamp of event {number}")
    return swf.HistoryEvent(number, kind, timestamp, attributes)


def _wire(event: swf.HistoryEvent) -> dict[str, swf.Json]:
    head: dict[str, swf.Json] = {"eventId": event.id, "eventType": event.type, "eventTimestamp": event.timestamp}
    return {**head, _block(event.type): dict(event.attributes)}


def _block(kind: str) -> str:
    return f"{kind[0].lower()}{kind[1:]}EventAttributes"
