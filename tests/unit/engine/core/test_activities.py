"""Activity tasks: answers, heartbeats, cancellation, the four timeouts (spec/swf-semantics 3.7, 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[..., str]


def schedule(bench: Bench, **given: Any) -> str:
    """Start an execution with one open activity."""
    run_id = bench.start()
    activity = decision(
        "ScheduleActivityTask", activityId="a", activityType={"name": "sample", "version": "1"}, **given
    )
    bench.decide(bench.poll(), activity)
    return run_id


def last(bench: Bench, run_id: str, kind: str) -> dict[str, Any]:
    return [event for event in bench.history(run_id) if event["eventType"] == kind][-1]


def heartbeat(bench: Bench, task: dict[str, Any] | None, **params: Any) -> bool:
    assert task is not None
    answer = bench.call("RecordActivityTaskHeartbeat", taskToken=task["taskToken"], domain=None, **params)
    requested: bool = answer["cancelRequested"]
    return requested


def test_poll_answer(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench, input="in")
    task = bench.poll("activity", "work", identity="me")
    assert task is not None
    del task["taskToken"]
    assert task == {
        "activityId": "a",
        "activityType": {"name": "sample", "version": "1"},
        "startedEventId": 6,
        "workflowExecution": {"workflowId": "w", "runId": run_id},
        "input": "in",
    }
    assert attrs(bench.history(run_id)[5]) == {"identity": "me", "scheduledEventId": 5}
    assert bench.poll() is None


@pytest.mark.parametrize(
    ("outcome", "params"),
    [("Completed", {"result": "r"}), ("Failed", {"reason": "r", "details": "d"}), ("Canceled", {"details": "d"})],
)
def test_answers(bench: Bench, attrs: Attrs, refused: Refused, outcome: str, params: dict[str, str]) -> None:
    run_id = schedule(bench)
    task = bench.poll("activity", "work")
    bench.respond(task, outcome, **params)
    event = last(bench, run_id, f"ActivityTask{outcome}")
    assert attrs(event) == params | {"scheduledEventId": 5, "startedEventId": 6}
    assert bench.poll() is not None
    message = refused("UnknownResourceFault", bench.respond, task, outcome, **params)
    assert message == "Unknown activity, scheduledEventId = 5"
    with pytest.raises(Exception, match="Unknown activity, scheduledEventId = 5"):
        heartbeat(bench, task)


def test_cancel_of_a_started_activity(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench)
    task = bench.poll("activity", "work")
    assert heartbeat(bench, task) is False
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    cancel = decision("RequestCancelActivityTask", activityId="a")
    bench.decide(bench.poll(), cancel, cancel)
    assert bench.poll() is None
    assert heartbeat(bench, task) is True
    requests = [e["eventId"] for e in bench.history(run_id) if e["eventType"] == "ActivityTaskCancelRequested"]
    bench.respond(task, "Canceled")
    canceled = attrs(last(bench, run_id, "ActivityTaskCanceled"))
    assert canceled["latestCancelRequestedEventId"] == requests[-1]
    assert len(requests) == 2


def test_worker_may_complete_after_a_cancel_request(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench)
    task = bench.poll("activity", "work")
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.decide(bench.poll(), decision("RequestCancelActivityTask", activityId="a"))
    bench.respond(task)
    assert "latestCancelRequestedEventId" not in attrs(last(bench, run_id, "ActivityTaskCompleted"))


@pytest.mark.parametrize(
    ("timeouts", "started", "kind", "after"),
    [
        ({"scheduleToStartTimeout": "5"}, False, "SCHEDULE_TO_START", 5),
        ({"scheduleToCloseTimeout": "5"}, False, "SCHEDULE_TO_CLOSE", 5),
        ({"scheduleToCloseTimeout": "5", "scheduleToStartTimeout": "3"}, True, "SCHEDULE_TO_CLOSE", 5),
        ({"startToCloseTimeout": "5"}, True, "START_TO_CLOSE", 6),
        ({"heartbeatTimeout": "5"}, True, "HEARTBEAT", 6),
        ({"heartbeatTimeout": "4", "startToCloseTimeout": "4"}, True, "HEARTBEAT", 5),
        ({"startToCloseTimeout": "4", "scheduleToCloseTimeout": "5"}, True, "START_TO_CLOSE", 5),
        ({"scheduleToStartTimeout": "5", "scheduleToCloseTimeout": "5"}, False, "SCHEDULE_TO_START", 5),
        ({"startToCloseTimeout": "0"}, True, "START_TO_CLOSE", 1),
    ],
)
def test_timeouts(
    bench: Bench, attrs: Attrs, refused: Refused, timeouts: dict[str, str], started: bool, kind: str, after: float
) -> None:
    run_id = schedule(bench, **timeouts)
    scheduled = bench.now
    bench.advance(1)
    task = bench.poll("activity", "work") if started else None
    bench.advance(1000)
    event = last(bench, run_id, "ActivityTaskTimedOut")
    assert attrs(event) == {"timeoutType": kind, "scheduledEventId": 5, "startedEventId": 6 if started else 0}
    assert event["eventTimestamp"] == scheduled + after
    assert bench.poll() is not None
    assert bench.poll("activity", "work") is None
    if task is not None:
        refused("UnknownResourceFault", bench.respond, task)


def test_none_never_times_out(bench: Bench) -> None:
    run_id = schedule(bench)
    bench.poll("activity", "work")
    bench.advance(3599)
    assert bench.history(run_id)[-1]["eventType"] == "ActivityTaskStarted"


def test_heartbeats_move_the_deadline_and_keep_details(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench, heartbeatTimeout="10")
    task = bench.poll("activity", "work")
    for details in ("one", None, "two", None):
        bench.advance(9)
        heartbeat(bench, task, details=details)
    beat = bench.now
    bench.advance(11)
    event = last(bench, run_id, "ActivityTaskTimedOut")
    assert attrs(event)["details"] == "two"
    assert event["eventTimestamp"] == beat + 10


def test_details_of_every_timeout_type(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench, startToCloseTimeout="10")
    heartbeat(bench, bench.poll("activity", "work"), details="half way")
    bench.advance(10)
    assert attrs(last(bench, run_id, "ActivityTaskTimedOut"))["details"] == "half way"


def test_heartbeats_survive_a_restart(bench: Bench, attrs: Attrs) -> None:
    run_id = schedule(bench, heartbeatTimeout="10")
    task = bench.poll("activity", "work")
    bench.advance(9)
    heartbeat(bench, task, details="kept")
    bench.reload()
    bench.advance(9)
    assert heartbeat(bench, task) is False
    bench.advance(10)
    assert attrs(last(bench, run_id, "ActivityTaskTimedOut"))["details"] == "kept"


def test_answer_after_the_deadline_wins_until_it_fires(bench: Bench) -> None:
    run_id = schedule(bench, startToCloseTimeout="5")
    task = bench.poll("activity", "work")
    bench.now += 100
    bench.respond(task)
    bench.expire()
    kinds = [event["eventType"] for event in bench.history(run_id)]
    assert "ActivityTaskCompleted" in kinds
    assert "ActivityTaskTimedOut" not in kinds


def test_execution_timeout_beats_all_others_at_the_same_instant(bench: Bench) -> None:
    run_id = bench.start(executionStartToCloseTimeout="10")
    activity = decision(
        "ScheduleActivityTask",
        activityId="a",
        activityType={"name": "sample", "version": "1"},
        scheduleToCloseTimeout="10",
    )
    bench.decide(bench.poll(), activity, decision("StartTimer", timerId="t", startToFireTimeout="10"))
    bench.advance(10)
    kinds = [event["eventType"] for event in bench.history(run_id)]
    assert kinds[-1] == "WorkflowExecutionTimedOut"
    assert "TimerFired" not in kinds


def test_orphans_of_a_closed_execution(bench: Bench, refused: Refused) -> None:
    run_id = schedule(bench, heartbeatTimeout="10")
    task = bench.poll("activity", "work")
    heartbeat(bench, task, details="x")
    bench.call("TerminateWorkflowExecution", workflowId="w")
    expected = f"Unknown execution: WorkflowExecution=[workflowId=w, runId={run_id}]"
    assert refused("UnknownResourceFault", bench.respond, task) == expected
    assert refused("UnknownResourceFault", heartbeat, bench, task) == expected
    assert not [row for row in bench.journal.rows() if row.table == "heartbeat"]
