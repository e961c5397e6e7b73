"""RecordMarker (spec/swf-semantics 7.7)."""

from __future__ import annotations

from elbflow_engine.core import api, choices, members
from elbflow_engine.core.decisions.batch import Batch


def record(batch: Batch, attributes: api.Object) -> None:
    """Write a note of the decider into the history."""
    event: dict[str, object] = {"markerName": members.text(attributes, "markerName")}
    cause = choices.first_cause(batch.denied("RecordMarker"))
    if cause is not None:
        batch.fail("RecordMarkerFailed", cause, event)
        return
    batch.append("MarkerRecorded", event | members.given(attributes, "details"))
