"""Answers of SWF as typed values: small pure functions from wire members (spec/swf-semantics 4.1, 6, appendix B).

The input is what botocore's JSON parser leaves: members in wire spelling, absent instead of null, timestamps as
numbers (the transport sets that). Only ``ResponseMetadata`` is botocore's own. On the fast path members that nobody
knows are there too, so an event's attributes are looked up by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from elbflow.swf import model

Wire: TypeAlias = Mapping[str, Any]


def nothing(answer: Wire) -> None:
    """For calls that are answered by success alone."""


def unread(answer: Wire) -> Wire:
    """The members as they came."""
    return answer


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


def history_page(answer: Wire) -> tuple[tuple[model.HistoryEvent, ...], str | None]:
    """Some events, and the token of the page after them."""
    return events(answer), next_page(answer)


def run_id(answer: Wire) -> str:
    """Of an execution that was started."""
    return str(answer["runId"])


def cancel_requested(answer: Wire) -> bool:
    """What a heartbeat is told."""
    return bool(answer.get("cancelRequested", False))


def count(answer: Wire) -> int:
    return int(answer["count"])


def events(answer: Wire) -> tuple[model.HistoryEvent, ...]:
    """The page of history in ``answer``, in the order it came."""
    return tuple(_events(answer.get("events") or ()))


def event(wire: Wire) -> model.HistoryEvent:
    """One history event with the attribute block of its type, empty when it has none."""
    return _events((wire,))[0]


def _events(wires: Iterable[Wire]) -> list[model.HistoryEvent]:
    # A page has up to a thousand events: what is called here decides what a decision task costs.
    made, kind_of_event = tuple.__new__, model.HistoryEvent
    return [
        made(
            kind_of_event,
            (
                wire["eventId"],
                kind := wire["eventType"],
                float(wire["eventTimestamp"]),
                wire.get(_BLOCKS[kind]) or {},
            ),
        )
        for wire in wires
    ]


class _Blocks(dict[str, str]):
    """Names of attribute blocks by event type; types are few, so they are remembered."""

    def __missing__(self, kind: str) -> str:
        name = self[kind] = f"{kind[:1].lower()}{kind[1:]}EventAttributes"
        return name


_BLOCKS = _Blocks()


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


def listing_page(answer: Wire) -> tuple[tuple[model.ExecutionInfo, ...], str | None]:
    """Some rows of a listing, and the token of the page after them."""
    return tuple(execution_info(wire) for wire in answer.get("executionInfos") or ()), next_page(answer)


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


def type_detail(answer: Wire) -> model.TypeDetail:
    """The answer of DescribeActivityType and of DescribeWorkflowType."""
    listed = answer["configuration"].get("defaultTaskList") or {}
    return model.TypeDetail(answer["typeInfo"]["status"] == "DEPRECATED", listed.get("name"))
