"""Answers of SWF as typed values: small pure functions from wire members (spec/swf-semantics 4.1, 6, appendix B).

The input is what botocore's JSON parser leaves: members in wire spelling, absent instead of null, timestamps as
floats (the transport sets that). Only ``ResponseMetadata`` is botocore's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from elbflow.swf import model

Wire: TypeAlias = Mapping[str, Any]

_EVENT_MEMBERS = frozenset({"eventId", "eventType", "eventTimestamp"})


def decision_task(answer: Wire) -> model.DecisionTask | None:
    """The decision handed over, or None: an absent, null or empty token is the empty answer of a long poll."""
    token = answer.get("taskToken")
    if not token:
        return None
    return model.DecisionTask(
        token=token,
        execution=execution(answer["workflowExecution"]),
        workflow_type=type_id(answer["workflowType"]),
        started_event_id=answer["startedEventId"],
        previous_started_event_id=answer.get("previousStartedEventId", 0),
        events=events(answer),
        next_page_token=next_page(answer),
    )


def activity_task(answer: Wire) -> model.ActivityTask | None:
    """The activity handed over, or None for the empty answer of a long poll."""
    token = answer.get("taskToken")
    if not token:
        return None
    return model.ActivityTask(
        token=token,
        activity_id=answer["activityId"],
        activity_type=type_id(answer["activityType"]),
        execution=execution(answer["workflowExecution"]),
        started_event_id=answer["startedEventId"],
        input=answer.get("input"),
    )


def events(answer: Wire) -> tuple[model.HistoryEvent, ...]:
    """The page of history in ``answer``, in the order it came."""
    return tuple(event(wire) for wire in answer.get("events") or ())


def event(wire: Wire) -> model.HistoryEvent:
    """One history event; its attribute block is the only member beside id, type and timestamp."""
    attributes: model.Attributes = next((value for name, value in wire.items() if name not in _EVENT_MEMBERS), {})
    return model.HistoryEvent(
        id=wire["eventId"],
        type=wire["eventType"],
        timestamp=float(wire["eventTimestamp"]),
        attributes=attributes,
    )


def next_page(answer: Wire) -> str | None:
    """Token of the page after this one; None on the last."""
    return answer.get("nextPageToken") or None


def execution(wire: Wire) -> model.Execution:
    return model.Execution(workflow_id=wire["workflowId"], run_id=wire["runId"])


def type_id(wire: Wire) -> model.TypeId:
    return model.TypeId(name=wire["name"], version=wire["version"])


def execution_info(wire: Wire) -> model.ExecutionInfo:
    """One row of a listing."""
    return model.ExecutionInfo(
        execution=execution(wire["execution"]),
        workflow_type=type_id(wire["workflowType"]),
        status=wire["executionStatus"],
        close_status=wire.get("closeStatus"),
        start_timestamp=float(wire["startTimestamp"]),
        close_timestamp=_optional_time(wire, "closeTimestamp"),
        tags=tuple(wire.get("tagList") or ()),
    )


def execution_detail(answer: Wire) -> model.ExecutionDetail:
    """The answer of DescribeWorkflowExecution."""
    wire = answer["executionInfo"]
    info = execution_info(wire)
    return model.ExecutionDetail(
        info.execution,
        info.workflow_type,
        info.status,
        info.close_status,
        info.start_timestamp,
        info.close_timestamp,
        info.tags,
        cancel_requested=bool(wire.get("cancelRequested", False)),
        open_counts=dict(answer.get("openCounts") or {}),
        latest_execution_context=answer.get("latestExecutionContext"),
    )


def _optional_time(wire: Wire, member: str) -> float | None:
    value = wire.get(member)
    return None if value is None else float(value)
