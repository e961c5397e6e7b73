"""Rules a decision list must satisfy as a whole before any of it is applied (spec/swf-semantics 7)."""

from __future__ import annotations

from elbflow_engine.core import api, faults, members

CLOSING = frozenset(
    {
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    }
)

_REQUIRED: dict[str, tuple[str, ...]] = {
    "ScheduleActivityTask": ("activityType.name", "activityType.version", "activityId"),
    "RequestCancelActivityTask": ("activityId",),
    "CompleteWorkflowExecution": (),
    "FailWorkflowExecution": (),
    "CancelWorkflowExecution": (),
    "ContinueAsNewWorkflowExecution": (),
    "RecordMarker": ("markerName",),
    "StartTimer": ("timerId", "startToFireTimeout"),
    "CancelTimer": ("timerId",),
    "SignalExternalWorkflowExecution": ("workflowId", "signalName"),
    "RequestCancelExternalWorkflowExecution": ("workflowId",),
    "StartChildWorkflowExecution": ("workflowType.name", "workflowType.version", "workflowId"),
    "ScheduleLambdaFunction": ("id", "name"),
}


def check(decisions: list[api.Object]) -> list[tuple[str, api.Object]]:
    """Type and attributes of each decision; raises ValidationException."""
    checked = []
    for number, decision in enumerate(decisions, start=1):
        decision_type = members.text(decision, "decisionType")
        if decision_type not in _REQUIRED:
            raise faults.validation(f"Unknown decision type: {decision_type}")
        checked.append((decision_type, _attributes(decision, decision_type, number)))
    if any(decision_type in CLOSING for decision_type, _ in checked[:-1]):
        raise faults.validation("Close must be last decision in list")
    return checked


def _attributes(decision: api.Object, decision_type: str, number: int) -> api.Object:
    block = f"{decision_type[0].lower()}{decision_type[1:]}DecisionAttributes"
    attributes = members.maybe_object(decision, block)
    path = f"decisions.{number}.member.{block}"
    required = _REQUIRED[decision_type]
    if attributes is None:
        if required:
            raise members.missing(path)
        return {}
    for name in required:
        outer, _, inner = name.partition(".")
        holder = members.maybe_object(attributes, outer) or {} if inner else attributes
        if members.maybe_text(holder, inner or outer) is None:
            raise members.missing(f"{path}.{name}")
    return attributes
