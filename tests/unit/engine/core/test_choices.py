"""The answers to the open questions, each seen from outside (spec/swf-semantics 14).

(a) and (i) are in test_registration and test_children, (b) in test_execution_rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.engine.core import scenarios
from tests.unit.engine.core.scenarios import ACTIVITY, COMPLETE, OTHERS, SAMPLE

from elbflow_engine import core
from elbflow_engine.core import choices
from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]


def last(bench: Bench, run_id: str, kind: str, workflow_id: str = "w") -> dict[str, Any]:
    return [event for event in bench.history(run_id, workflow_id) if event["eventType"] == kind][-1]


@pytest.mark.parametrize("letter", "abcdefghij")
def test_every_question_has_one_function_that_calls_itself_a_choice(letter: str) -> None:
    answers = [value for value in vars(choices).values() if (getattr(value, "__doc__", "") or "")[:3] == f"({letter})"]
    assert len(answers) == 1
    assert "Our choice" in answers[0].__doc__


def test_c_a_timed_out_task_does_not_count_as_seen(bench: Bench) -> None:
    bench.start()
    bench.poll()
    bench.advance(60)
    task = bench.poll()
    assert task is not None
    assert task["previousStartedEventId"] == 0


def test_d_failures_and_immediate_cancels_of_the_batch_do_not_block_the_close(bench: Bench) -> None:
    run_id = bench.start()
    cancel = decision("RequestCancelActivityTask", activityId="a")
    bench.decide(bench.poll(), ACTIVITY, cancel, cancel, decision("CancelTimer", timerId="none"), COMPLETE)
    kinds = [event["eventType"] for event in bench.history(run_id)[6:]]
    assert kinds == [
        "ActivityTaskCanceled",
        "RequestCancelActivityTaskFailed",
        "CancelTimerFailed",
        "WorkflowExecutionCompleted",
    ]


def test_e_canceled_without_a_request(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), ACTIVITY)
    bench.respond(bench.poll("activity", "work"), "Canceled", details="d")
    assert attrs(last(bench, run_id, "ActivityTaskCanceled")) == {
        "details": "d",
        "scheduledEventId": 5,
        "startedEventId": 6,
    }


def test_f_every_cancel_request_is_recorded(bench: Bench) -> None:
    run_id = bench.start()
    for _ in range(3):
        bench.call("RequestCancelWorkflowExecution", workflowId="w")
    kinds = [event["eventType"] for event in bench.history(run_id)]
    assert kinds.count("WorkflowExecutionCancelRequested") == 3


def test_g_an_omitted_context_keeps_the_former_one(bench: Bench) -> None:
    run_id = bench.start()
    for context in ("one", None, "", None):
        scenarios.signal(bench)
        bench.decide(bench.poll(), **({} if context is None else {"executionContext": context}))
    assert bench.describe(run_id)["latestExecutionContext"] == ""


def test_h_a_policy_names_no_external_execution(bench: Bench, attrs: Attrs) -> None:
    bench.start(childPolicy="REQUEST_CANCEL")
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE, taskList=OTHERS)
    bench.decide(bench.poll(), child)
    bench.call("TerminateWorkflowExecution", workflowId="w")
    task = bench.poll(task_list="others")
    assert task is not None
    requested = [event for event in task["events"] if event["eventType"] == "WorkflowExecutionCancelRequested"]
    assert [attrs(event) for event in requested] == [{"externalInitiatedEventId": 0, "cause": "CHILD_POLICY_APPLIED"}]


def test_j_the_first_cause_in_the_order_of_the_table_is_reported(attrs: Attrs) -> None:
    """A decision that breaks everything at once: mending one thing after the other shows the order."""
    denied = {"ScheduleActivityTask"}
    bench = Bench(core.Limits(open_activities=1, throttle_scale=0.001))
    bench.call("RegisterActivityType", name="bare", version="1")
    bench.call("DeprecateActivityType", activityType={"name": "bare", "version": "1"})
    bad: dict[str, Any] = {"activityId": "a", "activityType": {"name": "none", "version": "1"}}
    bench.start()
    bench.decide(bench.poll(), ACTIVITY)
    scenarios.signal(bench)
    found: list[str] = []

    def attempt(**mended: Any) -> None:
        bad.update(mended)
        bench.advance(1)
        scenarios.decide_denied(bench, bench.poll(), decision("ScheduleActivityTask", **bad), denied=denied)
        failed = [event for event in scenarios.events_of(bench) if event["eventType"] == "ScheduleActivityTaskFailed"]
        found.append(attrs(failed[-1])["cause"])

    attempt()
    denied.clear()
    attempt()
    attempt(activityType={"name": "bare", "version": "1"})
    bench.call("UndeprecateActivityType", activityType={"name": "bare", "version": "1"})
    attempt()
    attempt(taskList=OTHERS)
    attempt(scheduleToStartTimeout="9")
    attempt(scheduleToCloseTimeout="9")
    attempt(startToCloseTimeout="9")
    attempt(heartbeatTimeout="9")
    attempt(activityId="b")
    assert found == [
        "OPERATION_NOT_PERMITTED",
        "ACTIVITY_TYPE_DOES_NOT_EXIST",
        "ACTIVITY_TYPE_DEPRECATED",
        "DEFAULT_TASK_LIST_UNDEFINED",
        "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED",
        "DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED",
        "DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED",
        "DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED",
        "ACTIVITY_ID_ALREADY_IN_USE",
        "OPEN_ACTIVITIES_LIMIT_EXCEEDED",
    ]


def test_a_timeout_without_a_list_does_not_touch_the_override(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    scenarios.signal(bench)
    bench.decide(bench.poll(task_list="host"), taskListScheduleToStartTimeout="900")
    assert "taskListScheduleToStartTimeout" not in attrs(last(bench, run_id, "DecisionTaskCompleted"))
    scenarios.signal(bench)
    assert attrs(last(bench, run_id, "DecisionTaskScheduled"))["scheduleToStartTimeout"] == "5"
