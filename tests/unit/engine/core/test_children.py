"""Children: outcomes, child policies, continuation (spec/swf-semantics 3.9, 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]
SAMPLE = {"name": "sample", "version": "1"}


def child(workflow_id: str = "child", **given: Any) -> dict[str, Any]:
    return decision(
        "StartChildWorkflowExecution",
        workflowId=workflow_id,
        workflowType=SAMPLE,
        taskList={"name": "children"},
        **given,
    )


def family(bench: Bench, **parent: Any) -> tuple[str, str]:
    """A parent and its open child; returns both run ids."""
    run_id = bench.start(**parent)
    bench.decide(bench.poll(), child())
    task = bench.poll(task_list="children")
    assert task is not None
    bench.decide(task)
    return run_id, task["workflowExecution"]["runId"]


def kinds(bench: Bench, run_id: str, workflow_id: str = "w") -> list[str]:
    return [event["eventType"] for event in bench.history(run_id, workflow_id)]


def outcome(bench: Bench, run_id: str, attrs: Attrs) -> tuple[str, dict[str, Any]]:
    """The last Child… event of the parent and its attributes without the common ones."""
    event = [event for event in bench.history(run_id) if event["eventType"].startswith("ChildWorkflow")][-1]
    block = dict(attrs(event))
    assert block.pop("workflowType") == SAMPLE
    assert (block.pop("initiatedEventId"), block.pop("startedEventId")) == (5, 6)
    return event["eventType"], block


@pytest.mark.parametrize(
    ("close", "event", "echo"),
    [
        (decision("CompleteWorkflowExecution", result="r"), "Completed", {"result": "r"}),
        (decision("FailWorkflowExecution", reason="r", details="d"), "Failed", {"reason": "r", "details": "d"}),
        (decision("CancelWorkflowExecution", details="d"), "Canceled", {"details": "d"}),
    ],
)
def test_outcome_by_decision(
    bench: Bench, attrs: Attrs, close: dict[str, Any], event: str, echo: dict[str, str]
) -> None:
    run_id, child_run = family(bench)
    bench.call("SignalWorkflowExecution", workflowId="child", signalName="s")
    bench.decide(bench.poll(task_list="children"), close)
    execution = {"workflowExecution": {"workflowId": "child", "runId": child_run}}
    assert outcome(bench, run_id, attrs) == (f"ChildWorkflowExecution{event}", echo | execution)
    assert bench.describe(run_id)["openCounts"]["openChildWorkflowExecutions"] == 0
    assert bench.poll() is not None


def test_outcome_terminated(bench: Bench, attrs: Attrs) -> None:
    run_id, child_run = family(bench)
    bench.call("TerminateWorkflowExecution", workflowId="child", reason="r", details="d")
    execution = {"workflowExecution": {"workflowId": "child", "runId": child_run}}
    assert outcome(bench, run_id, attrs) == ("ChildWorkflowExecutionTerminated", execution)


def test_outcome_timed_out(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), child(executionStartToCloseTimeout="10"))
    bench.advance(10)
    event, block = outcome(bench, run_id, attrs)
    assert event == "ChildWorkflowExecutionTimedOut"
    assert block["timeoutType"] == "START_TO_CLOSE"


def test_initiated_records_resolved_values(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), child(input="in", control="memo", tagList=["t"], childPolicy="ABANDON"))
    initiated = attrs(bench.history(run_id)[4])
    assert initiated == {
        "workflowId": "child",
        "workflowType": SAMPLE,
        "taskList": {"name": "children"},
        "executionStartToCloseTimeout": "3600",
        "taskStartToCloseTimeout": "60",
        "childPolicy": "ABANDON",
        "input": "in",
        "control": "memo",
        "tagList": ["t"],
        "decisionTaskCompletedEventId": 4,
    }


def test_children_that_continue_as_new_keep_their_parent(bench: Bench, attrs: Attrs) -> None:
    run_id, _ = family(bench)
    bench.call("SignalWorkflowExecution", workflowId="child", signalName="s")
    continuing = decision("ContinueAsNewWorkflowExecution", taskList={"name": "children"})
    bench.decide(bench.poll(task_list="children"), continuing)
    assert kinds(bench, run_id)[-1] == "DecisionTaskScheduled"
    task = bench.poll(task_list="children")
    assert task is not None
    started = attrs(task["events"][0])
    assert started["parentWorkflowExecution"] == {"workflowId": "w", "runId": run_id}
    assert started["parentInitiatedEventId"] == 5
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert outcome(bench, run_id, attrs)[1]["workflowExecution"] == task["workflowExecution"]


@pytest.mark.parametrize("overridden", [False, True])
@pytest.mark.parametrize("policy", ["TERMINATE", "REQUEST_CANCEL", "ABANDON"])
def test_policy_at_the_parents_termination(bench: Bench, attrs: Attrs, policy: str, overridden: bool) -> None:
    run_id, child_run = family(bench, childPolicy="REQUEST_CANCEL" if overridden else policy)
    given = {"childPolicy": policy} if overridden else {}
    bench.call("TerminateWorkflowExecution", workflowId="w", **given)
    close = attrs(bench.history(run_id)[-1])
    assert close["childPolicy"] == policy
    events = bench.history(child_run, "child")
    closed = bench.describe(child_run, "child")["executionInfo"].get("closeStatus")
    last = [event for event in events if event["eventType"] != "DecisionTaskScheduled"][-1]
    if policy == "TERMINATE":
        assert closed == "TERMINATED"
        assert attrs(last) == {"cause": "CHILD_POLICY_APPLIED", "childPolicy": "TERMINATE"}
    elif policy == "REQUEST_CANCEL":
        assert closed is None
        assert attrs(last) == {"cause": "CHILD_POLICY_APPLIED", "externalInitiatedEventId": 0}
        assert bench.describe(child_run, "child")["executionInfo"]["cancelRequested"] is True
        assert bench.poll(task_list="children") is not None
    else:
        assert closed is None
        assert last["eventType"] == "DecisionTaskCompleted"


@pytest.mark.parametrize(
    ("policy", "status"), [("TERMINATE", "TERMINATED"), ("REQUEST_CANCEL", None), ("ABANDON", None)]
)
def test_policy_at_the_parents_timeout(bench: Bench, policy: str, status: str | None) -> None:
    run_id = bench.start(childPolicy=policy, executionStartToCloseTimeout="100")
    bench.decide(bench.poll(), child())
    task = bench.poll(task_list="children")
    assert task is not None
    child_run = task["workflowExecution"]["runId"]
    bench.decide(task)
    bench.advance(100)
    assert kinds(bench, run_id)[-1] == "WorkflowExecutionTimedOut"
    assert bench.describe(child_run, "child")["executionInfo"].get("closeStatus") == status
    assert ("WorkflowExecutionCancelRequested" in kinds(bench, child_run, "child")) == (policy == "REQUEST_CANCEL")


def test_termination_goes_down_the_generations(bench: Bench) -> None:
    bench.start()
    bench.decide(bench.poll(), child())
    task = bench.poll(task_list="children")
    grandchild = decision(
        "StartChildWorkflowExecution", workflowId="grandchild", workflowType=SAMPLE, taskList={"name": "deep"}
    )
    bench.decide(task, grandchild)
    deep = bench.poll(task_list="deep")
    assert deep is not None
    bench.call("TerminateWorkflowExecution", workflowId="w")
    run_id = deep["workflowExecution"]["runId"]
    assert bench.describe(run_id, "grandchild")["executionInfo"]["closeStatus"] == "TERMINATED"
    assert bench.engine.statistics().open_executions == 0


def test_policy_reaches_a_continued_child(bench: Bench) -> None:
    family(bench)
    bench.call("SignalWorkflowExecution", workflowId="child", signalName="s")
    continuing = decision("ContinueAsNewWorkflowExecution", taskList={"name": "children"})
    bench.decide(bench.poll(task_list="children"), continuing)
    bench.call("TerminateWorkflowExecution", workflowId="w")
    assert bench.engine.statistics().open_executions == 0


def test_normal_close_leaves_children_alone(bench: Bench) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), child(), decision("CompleteWorkflowExecution"))
    assert kinds(bench, run_id)[-1] == "WorkflowExecutionCompleted"
    task = bench.poll(task_list="children")
    assert task is not None
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert kinds(bench, run_id)[-1] == "WorkflowExecutionCompleted"


def test_own_id_continues_before_the_child_takes_it(bench: Bench) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), child("w"), decision("ContinueAsNewWorkflowExecution"))
    assert kinds(bench, run_id)[-1] == "WorkflowExecutionContinuedAsNew"
    assert bench.poll(task_list="children") is None
    assert bench.poll() is not None


def test_limits(attrs: Attrs) -> None:
    bench = Bench(core.Limits(open_children=1))
    run_id = bench.start()
    bench.decide(bench.poll(), child("one"), child("two"))
    failed = next(e for e in bench.history(run_id) if e["eventType"] == "StartChildWorkflowExecutionFailed")
    assert attrs(failed)["cause"] == "OPEN_CHILDREN_LIMIT_EXCEEDED"
    bench = Bench(core.Limits(open_executions=2))
    run_id = bench.start()
    bench.decide(bench.poll(), child("one"), child("two"))
    failed = next(e for e in bench.history(run_id) if e["eventType"] == "StartChildWorkflowExecutionFailed")
    assert attrs(failed)["cause"] == "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
