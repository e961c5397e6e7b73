"""The checker of histories finds what is wrong, and nothing in what is right (spec/swf-semantics 3, 5, 8)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import histories
from elbflow_engine.testing import Bench, decision

SAMPLE = {"name": "sample", "version": "1"}
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def families() -> dict[tuple[str, str], Events]:
    """A parent with an activity, a timer, a child, a signal to another, a timeout; and what these became."""
    bench = Bench()
    bench.start()
    bench.start("other", taskList={"name": "others"})
    child = {"workflowId": "child", "workflowType": SAMPLE, "taskList": {"name": "children"}, "childPolicy": "ABANDON"}
    bench.decide(
        bench.poll(),
        decision("ScheduleActivityTask", activityId="a", activityType=SAMPLE, startToCloseTimeout="5"),
        decision("ScheduleActivityTask", activityId="b", activityType=SAMPLE),
        decision("StartTimer", timerId="t", startToFireTimeout="2"),
        decision("StartChildWorkflowExecution", **child),
        decision("SignalExternalWorkflowExecution", workflowId="other", signalName="s"),
        decision("SignalExternalWorkflowExecution", workflowId="nobody", signalName="s"),
    )
    bench.poll("activity", "work")
    bench.advance(3)
    bench.decide(bench.poll(), decision("RequestCancelActivityTask", activityId="b"))
    task = bench.poll()
    bench.advance(5)
    bench.decide(task, decision("CompleteWorkflowExecution"))
    bench.decide(bench.poll(task_list="children"), decision("ContinueAsNewWorkflowExecution"))
    bench.call("TerminateWorkflowExecution", workflowId="w")
    return bench.journal.histories("test")


@pytest.fixture
def events(families: dict[tuple[str, str], Events]) -> Events:
    """The parent's history."""
    return copy.deepcopy(next(events for run, events in families.items() if run[0] == "w"))


def find(events: Events, kind: str) -> dict[str, Any]:
    return next(event for event in events if event["eventType"] == kind)


def block(events: Events, kind: str) -> dict[str, Any]:
    return histories.attributes(find(events, kind))


def remove(events: Events, kind: str) -> None:
    """Take the last event of this type away; those behind it move up."""
    position = max(index for index, event in enumerate(events) if event["eventType"] == kind)
    del events[position]
    for event in events[position:]:
        event["eventId"] -= 1


WRONG: dict[str, Callable[[Events], object]] = {
    "a gap": lambda events: events.pop(3),
    "time goes back": lambda events: events[4].update(eventTimestamp=events[0]["eventTimestamp"] - 1),
    "part of a millisecond": lambda events: events[-1].update(eventTimestamp=events[-1]["eventTimestamp"] + 1.0001),
    "a batch of two instants": lambda events: events[4].update(eventTimestamp=events[4]["eventTimestamp"] + 0.001),
    "a missing member": lambda events: block(events, "DecisionTaskStarted").pop("scheduledEventId"),
    "an extra member": lambda events: block(events, "TimerFired").update(control="c"),
    "null": lambda events: block(events, "WorkflowExecutionStarted").update(input=None),
    "a second block": lambda events: events[1].update(timerFiredEventAttributes={}),
    "a link to another type": lambda events: block(events, "TimerFired").update(startedEventId=2),
    "a zero link": lambda events: block(events, "DecisionTaskCompleted").update(startedEventId=0),
    "a parent id without a parent": lambda events: events[0]["workflowExecutionStartedEventAttributes"].update(
        parentInitiatedEventId=7
    ),
    "another task list": lambda events: block(events, "DecisionTaskScheduled").update(taskList={"name": "x"}),
    "a timeout from nowhere": lambda events: block(events, "DecisionTaskScheduled").update(scheduleToStartTimeout="5"),
    "a timer that is late": lambda events: block(events, "TimerStarted").update(startToFireTimeout="1"),
    "an activity that is late": lambda events: block(events, "ActivityTaskScheduled").update(startToCloseTimeout="4"),
    "another timeout": lambda events: block(events, "ActivityTaskTimedOut").update(timeoutType="SCHEDULE_TO_CLOSE"),
    "no cancel request": lambda events: block(events, "ActivityTaskCanceled").pop("latestCancelRequestedEventId"),
    "an answer of a stranger": lambda events: block(events, "ExternalWorkflowExecutionSignaled").update(
        workflowExecution={"workflowId": "x", "runId": "x"}
    ),
    "another cause": lambda events: block(events, "CompleteWorkflowExecutionFailed").update(cause="X"),
    "a decision task too few": lambda events: remove(events, "DecisionTaskScheduled"),
    "something after the end": lambda events: events.append(
        copy.deepcopy(events[1]) | {"eventId": len(events) + 1, "eventTimestamp": events[-1]["eventTimestamp"]}
    ),
}


def test_nothing_is_wrong_with_what_the_engine_wrote(families: dict[tuple[str, str], Events]) -> None:
    for events in families.values():
        histories.check(events)
    histories.check_together(families)
    parent = next(events for run, events in families.items() if run[0] == "w")
    assert [event["eventType"] for event in parent][-1] == "WorkflowExecutionTerminated"
    assert "CompleteWorkflowExecutionFailed" in histories.show(parent)


@pytest.mark.parametrize("wrong", list(WRONG))
def test_what_is_wrong_is_found(events: Events, wrong: str) -> None:
    WRONG[wrong](events)
    with pytest.raises(histories.Violation) as found:
        histories.check(events)
    assert "WorkflowExecutionStarted" in found.value.__notes__[0]


def test_what_is_overdue_is_found(events: Events) -> None:
    open_one = events[: find(events, "ActivityTaskStarted")["eventId"]]
    due = find(open_one, "TimerStarted")["eventTimestamp"] + 2
    assert not histories.check(open_one, expired_at=due - 0.001).closed
    with pytest.raises(histories.Violation, match="timer t is overdue"):
        histories.check(open_one, expired_at=due + 1)


@pytest.mark.parametrize(
    ("whose", "change"),
    [
        ("child", lambda events: events[0]["workflowExecutionStartedEventAttributes"].update(parentInitiatedEventId=5)),
        ("other", lambda events: block(events, "WorkflowExecutionSignaled").update(externalInitiatedEventId=5)),
        ("other", lambda events: events.pop()),
        ("w", lambda events: block(events, "WorkflowExecutionTerminated").update(childPolicy="REQUEST_CANCEL")),
    ],
)
def test_histories_that_contradict_each_other(
    families: dict[tuple[str, str], Events], whose: str, change: Callable[[Events], object]
) -> None:
    changed = copy.deepcopy(families)
    change(next(events for run, events in changed.items() if run[0] == whose))
    with pytest.raises(histories.Violation):
        histories.check_together(changed)
