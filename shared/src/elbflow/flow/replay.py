"""Replaying a recorded history against today's code: in tests, before a deployment, under a debugger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from elbflow import swf
from elbflow.flow import errors, guards
from elbflow.flow.core import decide


def replay(
    workflow_class: type, events: Sequence[swf.HistoryEvent], *, execution: swf.Execution = decide.UNKNOWN
) -> None:
    """Check that ``workflow_class`` repeats every decision of a whole history; open executions are welcome.

    Raises :class:`errors.NonDeterminism` with both columns and the source line, or the defect that the code ran into.
    ``execution`` matters to workflows that pass their own ids on.
    """
    with guards.guarded():
        decide.check(workflow_class, events, execution=execution)


def parse_history(text: str) -> tuple[swf.HistoryEvent, ...]:
    """The events of a downloaded history: what GetWorkflowExecutionHistory or ``aws swf`` print as JSON.

    Timestamps may be epoch seconds or ISO 8601. Raises :class:`errors.PayloadMismatch` for anything else.
    """
    try:
        return tuple(_event(wire) for wire in json.loads(text)["events"])
    except (ValueError, KeyError, TypeError) as error:
        raise errors.PayloadMismatch(f"not a workflow history: {error!r}") from error


def _event(wire: dict[str, swf.Json]) -> swf.HistoryEvent:
    kind, number, stamp = str(wire["eventType"]), wire["eventId"], wire["eventTimestamp"]
    attributes = wire.get(f"{kind[0].lower()}{kind[1:]}EventAttributes", {})
    if not isinstance(number, int) or not isinstance(attributes, dict):
        raise ValueError(f"event {number}")
    if isinstance(stamp, str):
        timestamp = datetime.fromisoformat(stamp).timestamp()
    elif isinstance(stamp, (int, float)):
        timestamp = float(stamp)
    else:
        raise ValueError(f"timestamp of event {number}")
    return swf.HistoryEvent(number, kind, timestamp, attributes)
