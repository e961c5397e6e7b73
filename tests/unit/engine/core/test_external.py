"""Signals and cancel requests, from outside and between executions (spec/swf-semantics 3.10, 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[..., str]


def two(bench: Bench) -> tuple[str, str]:
    """A source with a decision task and a sleeping target on another list."""
    target = bench.start("target", taskList={"name": "other"})
    bench.decide(bench.poll(task_list="other"))
    return bench.start(), target


def test_signal_between_executions(bench: Bench, attrs: Attrs) -> None:
    source, target = two(bench)
    signal = decision("SignalExternalWorkflowExecution", workflowId="target", signalName="s", input="i", control="memo")
    bench.decide(bench.poll(), signal)
    initiated, signaled, scheduled = bench.history(source)[4:]
    assert initiated["eventType"] == "SignalExternalWorkflowExecutionInitiated"
    assert attrs(initiated) == {
        "workflowId": "target",
        "signalName": "s",
        "input": "i",
        "control": "memo",
        "decisionTaskCompletedEventId": 4,
    }
    assert signaled["eventType"] == "ExternalWorkflowExecutionSignaled"
    assert attrs(signaled) == {
        "workflowExecution": {"workflowId": "target", "runId": target},
        "initiatedEventId": 5,
    }
    assert scheduled["eventType"] == "DecisionTaskScheduled"
    received = bench.history(target, "target")[4]
    assert attrs(received) == {
        "signalName": "s",
        "input": "i",
        "externalWorkflowExecution": {"workflowId": "w", "runId": source},
        "externalInitiatedEventId": 5,
    }
    assert bench.poll(task_list="other") is not None


def test_cancel_between_executions(bench: Bench, attrs: Attrs) -> None:
    source, target = two(bench)
    cancel = decision("RequestCancelExternalWorkflowExecution", workflowId="target", runId=target)
    bench.decide(bench.poll(), cancel)
    initiated, requested, _ = bench.history(source)[4:]
    assert attrs(initiated) == {"workflowId": "target", "runId": target, "decisionTaskCompletedEventId": 4}
    assert requested["eventType"] == "ExternalWorkflowExecutionCancelRequested"
    assert attrs(bench.history(target, "target")[4]) == {
        "externalWorkflowExecution": {"workflowId": "w", "runId": source},
        "externalInitiatedEventId": 5,
    }
    assert bench.describe(target, "target")["executionInfo"]["cancelRequested"] is True


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("SignalExternalWorkflowExecution", {"signalName": "s"}),
        ("RequestCancelExternalWorkflowExecution", {}),
    ],
)
@pytest.mark.parametrize("target", [{"workflowId": "nobody"}, {"workflowId": "target", "runId": "another"}])
def test_unknown_target(bench: Bench, attrs: Attrs, kind: str, given: dict[str, str], target: dict[str, str]) -> None:
    source, _ = two(bench)
    bench.decide(bench.poll(), decision(kind, control="memo", **target, **given))
    failed = bench.history(source)[5]
    assert failed["eventType"] == f"{kind}Failed"
    assert attrs(failed) == target | {
        "control": "memo",
        "cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "initiatedEventId": 5,
        "decisionTaskCompletedEventId": 4,
    }


def test_delivery_after_the_source_closed(bench: Bench) -> None:
    source, target = two(bench)
    signal = decision("SignalExternalWorkflowExecution", workflowId="target", signalName="s")
    bench.decide(bench.poll(), signal, decision("CompleteWorkflowExecution"))
    assert bench.history(source)[-1]["eventType"] == "WorkflowExecutionCompleted"
    assert bench.history(target, "target")[4]["eventType"] == "WorkflowExecutionSignaled"


def test_signal_to_itself(bench: Bench) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), decision("SignalExternalWorkflowExecution", workflowId="w", signalName="s"))
    assert [event["eventType"] for event in bench.history(run_id)[5:]] == [
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "ExternalWorkflowExecutionSignaled",
    ]


def test_signal_api(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.call("SignalWorkflowExecution", workflowId="w", runId=run_id, signalName="s", input="i")
    bench.call("SignalWorkflowExecution", workflowId="w", runId="", signalName="s")
    events = bench.history(run_id)[2:]
    assert attrs(events[0]) == {"signalName": "s", "input": "i", "externalInitiatedEventId": 0}
    assert attrs(events[1]) == {"signalName": "s", "externalInitiatedEventId": 0}


def test_cancel_api_records_every_call(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    assert bench.describe(run_id)["executionInfo"]["cancelRequested"] is False
    bench.call("RequestCancelWorkflowExecution", workflowId="w")
    bench.call("RequestCancelWorkflowExecution", workflowId="w")
    assert [attrs(event) for event in bench.history(run_id)[2:]] == [{"externalInitiatedEventId": 0}] * 2
    assert bench.describe(run_id)["executionInfo"]["cancelRequested"] is True


def test_terminate_api(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    task = bench.poll()
    bench.call("TerminateWorkflowExecution", workflowId="w", reason="r", details="d")
    assert attrs(bench.history(run_id)[-1]) == {
        "reason": "r",
        "details": "d",
        "childPolicy": "TERMINATE",
        "cause": "OPERATOR_INITIATED",
    }
    with pytest.raises(Exception, match="Unknown execution: WorkflowExecution"):
        bench.decide(task)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("SignalWorkflowExecution", {"signalName": "s"}),
        ("RequestCancelWorkflowExecution", {}),
        ("TerminateWorkflowExecution", {}),
    ],
)
def test_missing_targets(bench: Bench, refused: Refused, operation: str, given: dict[str, str]) -> None:
    unknown = "UnknownResourceFault"
    assert refused(unknown, bench.call, operation, workflowId="w", **given) == "Unknown execution, workflowId = w"
    run_id = bench.start()
    message = refused(unknown, bench.call, operation, workflowId="w", runId="x", **given)
    assert message == "Unknown execution: WorkflowExecution=[workflowId=w, runId=x]"
    bench.call("TerminateWorkflowExecution", workflowId="w")
    refused(unknown, bench.call, operation, workflowId="w", runId=run_id, **given)
    message = refused(unknown, bench.call, operation, domain="none", workflowId="w", **given)
    assert message == "Unknown domain: none"
