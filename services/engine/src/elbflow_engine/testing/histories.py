"""What must hold of every history, at every moment (spec/swf-semantics 13, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

Event = dict[str, Any]

CLOSE = frozenset(
    f"WorkflowExecution{how}" for how in ("Completed", "Failed", "Canceled", "Terminated", "TimedOut", "ContinuedAsNew")
)


def attributes(event: Event) -> dict[str, Any]:
    kind = event["eventType"]
    block: dict[str, Any] = event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]
    return block


def parse(events: Sequence[bytes]) -> list[Event]:
    return [orjson.loads(event) for event in events]


def check(events: list[Event]) -> None:
    """Gapless ids, monotone time, valid links, one close event at the end, coalesced decision tasks."""
    assert [event["eventId"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["eventType"] == "WorkflowExecutionStarted"
    stamps = [event["eventTimestamp"] for event in events]
    assert stamps == sorted(stamps)
    assert not CLOSE & {event["eventType"] for event in events[:-1]}
    for event in events:
        _check_links(event, events)
    _check_decision_tasks(events)
    _check_activities(events)


def _check_links(event: Event, events: list[Event]) -> None:
    kind = event["eventType"]
    for name, target in _targets(kind).items():
        linked = attributes(event).get(name)
        if linked is None or (linked == 0 and name != "decisionTaskCompletedEventId"):
            continue
        assert linked < event["eventId"], (kind, name)
        assert events[linked - 1]["eventType"] == target, (kind, name, target)


def _targets(kind: str) -> dict[str, str]:
    links = {"decisionTaskCompletedEventId": "DecisionTaskCompleted"}
    if kind.startswith(("DecisionTask", "ActivityTask")):
        family = kind[:12]
        links |= {"scheduledEventId": f"{family}Scheduled", "startedEventId": f"{family}Started"}
        links["latestCancelRequestedEventId"] = "ActivityTaskCancelRequested"
    elif kind.startswith("Timer"):
        links["startedEventId"] = "TimerStarted"
    elif "ChildWorkflow" in kind:
        links["startedEventId"] = "ChildWorkflowExecutionStarted"
        links["initiatedEventId"] = "StartChildWorkflowExecutionInitiated"
    elif "SignalExternal" in kind or kind == "ExternalWorkflowExecutionSignaled":
        links["initiatedEventId"] = "SignalExternalWorkflowExecutionInitiated"
    elif "CancelExternal" in kind or kind == "ExternalWorkflowExecutionCancelRequested":
        links["initiatedEventId"] = "RequestCancelExternalWorkflowExecutionInitiated"
    return links


def _check_decision_tasks(events: list[Event]) -> None:
    """At most one task is pollable or started, at most one more is queued behind a started one (3.2)."""
    scheduled: list[int] = []
    started = 0
    for event in events:
        match event["eventType"]:
            case "DecisionTaskScheduled":
                scheduled.append(event["eventId"])
                assert len(scheduled) <= (2 if started else 1)
            case "DecisionTaskStarted":
                assert not started
                assert attributes(event)["scheduledEventId"] == scheduled[0]
                started = event["eventId"]
            case "DecisionTaskCompleted" | "DecisionTaskTimedOut":
                block = attributes(event)
                assert (block["scheduledEventId"], block["startedEventId"]) == (scheduled.pop(0), started)
                started = 0


def _check_activities(events: list[Event]) -> None:
    """Every activity starts at most once and closes at most once; open ones have different ids."""
    open_ids: dict[int, str] = {}
    started: set[int] = set()
    for event in events:
        kind, block = event["eventType"], attributes(event)
        if kind == "ActivityTaskScheduled":
            assert block["activityId"] not in open_ids.values()
            open_ids[event["eventId"]] = block["activityId"]
        elif kind == "ActivityTaskStarted":
            assert block["scheduledEventId"] in open_ids
            assert block["scheduledEventId"] not in started
            started.add(block["scheduledEventId"])
        elif kind in ("ActivityTaskCompleted", "ActivityTaskFailed", "ActivityTaskTimedOut", "ActivityTaskCanceled"):
            del open_ids[block["scheduledEventId"]]
