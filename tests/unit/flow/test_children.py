"""Child workflows and messages to other executions, one event at a time."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf
from elbflow.flow.core import decide

HOUR = timedelta(hours=1)
CHILD = flow.WorkflowSignature("Child", "2", int, int, HOUR, timedelta(seconds=30), "REQUEST_CANCEL")
WORD = flow.SignalSignature("word", str)


def said(run: Any) -> list[str]:
    return [decision.type for decision in run.decided[-1].decisions]


async def parent(self: Any, number: int) -> Any:
    return await flow.run_child(CHILD, number, workflow_id="child")


def started(run: Any) -> int:
    """Decide, and start the child; the id of its initiated event."""
    run.decide()
    (initiated_id,) = run.swf.children
    run.swf.child_started(initiated_id, "run-c")
    return int(initiated_id)


def test_all_settings_are_spelled_out(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return await flow.run_child(
            CHILD,
            5,
            workflow_id="child",
            tags=("a", "b"),
            task_list="l",
            child_policy="ABANDON",
            priority=-3,
            execution_timeout=timedelta(minutes=2),
        )

    (decision,) = programs.run(body).decide().decisions
    assert decision == swf.Decision(
        "StartChildWorkflowExecution",
        {
            "workflowType": {"name": "Child", "version": "2"},
            "workflowId": "child",
            "input": "5",
            "executionStartToCloseTimeout": "120",
            "taskStartToCloseTimeout": "30",
            "childPolicy": "ABANDON",
            "tagList": ["a", "b"],
            "taskList": {"name": "l"},
            "taskPriority": "-3",
        },
    )
    (plain,) = programs.run(parent).decide().decisions
    assert plain.attributes["childPolicy"] == "REQUEST_CANCEL"
    assert {"tagList", "taskList", "taskPriority"}.isdisjoint(plain.attributes)


def test_its_result_is_decoded(programs: Any) -> None:
    run = programs.run(parent)
    run.swf.close_child(started(run), "Completed", result="42")
    assert run.result() == 42


@pytest.mark.parametrize("result", [None, "plain words", '{"a": 1}', "Zdamaged"])
def test_a_foreign_result_is_a_failure_not_a_crash(programs: Any, result: str | None) -> None:
    async def body(self: Any, number: int) -> str:
        with pytest.raises(flow.ChildFailed) as caught:
            await parent(self, number)
        return f"{caught.value.reason} {caught.value.details}"

    run = programs.run(body, output=str)
    run.swf.close_child(started(run), "Completed", result=result)
    assert run.result() == f"PayloadMismatch {result}"


@pytest.mark.parametrize(
    ("outcome", "attributes", "error"),
    [
        ("Failed", {"reason": "Sour", "details": '{"type": "Sour", "message": "no milk"}'}, "ChildFailed Sour no milk"),
        ("Failed", {"reason": "Foreign", "details": "as it is"}, "ChildFailed Foreign as it is"),
        ("Failed", {}, "ChildFailed Unknown "),
        ("TimedOut", {"timeoutType": "START_TO_CLOSE"}, "ChildTimedOut START_TO_CLOSE"),
        ("Canceled", {"details": "enough"}, "ChildCanceled enough"),
        ("Terminated", {}, "ChildTerminated"),
    ],
)
def test_every_end_has_its_error(programs: Any, outcome: str, attributes: dict[str, str], error: str) -> None:
    async def body(self: Any, number: int) -> str:
        try:
            return str(await parent(self, number))
        except flow.ChildFailed as error:
            return f"ChildFailed {error.reason} {error.message}"
        except flow.ChildTimedOut as error:
            return f"ChildTimedOut {error.timeout_type}"
        except flow.ChildCanceled as error:
            return f"ChildCanceled {error.details}"
        except flow.ChildTerminated:
            return "ChildTerminated"

    run = programs.run(body, output=str)
    run.swf.close_child(started(run), outcome, **attributes)
    assert run.result() == error


def test_a_childs_failure_that_nobody_handles_is_the_parents(programs: Any) -> None:
    run = programs.run(parent)
    run.swf.close_child(started(run), "Terminated")
    with pytest.raises(flow.WorkflowFailed, match=r'ChildTerminated.*"workflow_id": "child"'):
        run.result()


@pytest.mark.parametrize(
    ("cause", "at_once", "may_pass"),
    [
        ("WORKFLOW_TYPE_DEPRECATED", True, False),
        ("CHILD_CREATION_RATE_EXCEEDED", True, True),
        ("WORKFLOW_ALREADY_RUNNING", False, True),
    ],
)
def test_refusals_at_once_and_after_a_while(programs: Any, cause: str, at_once: bool, may_pass: bool) -> None:
    async def body(self: Any, number: int) -> str:
        with pytest.raises(flow.ChildNotStarted) as caught:
            await flow.start_child(CHILD, 1, workflow_id="child")
        assert caught.value.may_pass is may_pass
        return caught.value.cause

    run = programs.run(body, output=str)
    if at_once:
        run.swf.refuse = lambda decision: cause if decision.type.startswith("StartChild") else None
    run.decide()
    if not at_once:
        (initiated_id,) = run.swf.children
        run.swf.not_done(initiated_id, cause)
    assert run.result() == cause


def test_a_refusal_that_comes_while_the_next_decision_runs_is_news(programs: Any) -> None:
    """It bears the link of the decision that asked, yet it is no answer to it."""

    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.start_child(CHILD, 1, workflow_id="child"))
        await flow.wait_condition(lambda: bool(self.heard))
        with pytest.raises(flow.ChildNotStarted):
            await task
        return number

    run = programs.run(body)
    run.decide()
    run.signal(programs.NEWS, 1)
    decided = decide.decide(run.workflow_class, run.swf.poll())
    (initiated_id,) = run.swf.children
    run.swf.not_done(initiated_id, "WORKFLOW_ALREADY_RUNNING")
    run.swf.respond(decided.decisions)
    assert run.result() == 1


def cancelled_child(programs: Any, waits: int) -> Any:
    """Cancels its child's task when it has heard ``waits`` signals."""

    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(parent(self, number))
        await asyncio.sleep(0)
        await flow.wait_condition(lambda: len(self.heard) >= waits)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await flow.sleep(60)
        return number

    return programs.run(body)


def test_cancelled_before_it_was_asked_for_it_is_dropped(programs: Any) -> None:
    run = cancelled_child(programs, 0)
    run.decide()
    assert said(run) == ["StartTimer"]
    assert run.result() == 1


def test_cancelled_before_it_started_it_is_asked_to_cancel_then(programs: Any) -> None:
    run = cancelled_child(programs, 1)
    run.decide()
    (initiated_id,) = run.swf.children
    run.signal(programs.NEWS, 1)
    run.decide()
    assert said(run) == ["StartTimer"]
    run.swf.child_started(initiated_id, "run-c")
    (decision,) = run.decide().decisions
    assert decision == swf.Decision("RequestCancelExternalWorkflowExecution", {"workflowId": "child"})
    run.swf.not_done(run.swf.events[-1].id, "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
    run.swf.close_child(initiated_id, "Completed", result="1")
    assert run.result() == 1


def test_a_cancelled_parent_tells_its_child_before_it_closes(programs: Any) -> None:
    run = programs.run(parent)
    started(run)
    run.decide()
    run.swf.request_cancel()
    run.decide()
    assert said(run) == ["RequestCancelExternalWorkflowExecution"]
    run.swf.reached(run.swf.events[-1].id, "run-c")
    run.decide()
    assert run.swf.closed == "WorkflowExecutionCanceled"


def test_a_rate_limit_does_not_lose_a_cancellation(programs: Any) -> None:
    causes = iter(["REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"])
    run = programs.run(parent)
    run.swf.refuse = lambda decision: next(causes, None) if decision.type.startswith("RequestCancelExt") else None
    started(run)
    run.decide()
    run.swf.request_cancel()
    run.decide()
    run.decide()
    assert said(run) == ["StartTimer"]
    run.swf.fire("1")
    run.decide()
    assert said(run) == ["RequestCancelExternalWorkflowExecution"]
    run.swf.reached(run.swf.events[-1].id, "run-c")
    run.decide()
    assert run.swf.closed == "WorkflowExecutionCanceled"


RATE = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"


def test_what_is_refused_for_its_rate_is_asked_again_ever_more_rarely(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.external("other").signal(WORD, "x")
        return number

    run = programs.run(body)
    run.swf.refuse = lambda decision: RATE if decision.type.startswith("Signal") else None
    asked: list[float] = []
    for _ in range(9):
        run.decide()
        assert said(run) == ["SignalExternalWorkflowExecution"]
        asked.append(run.swf.now)
        run.decide()
        assert said(run) == ["StartTimer"]
        assert not run.swf.decision_waits
        (timer_id,) = run.swf.timers
        run.swf.fire(timer_id)
    assert [later - earlier for earlier, later in itertools.pairwise(asked)] == [1, 2, 4, 8, 16, 32, 60, 60]
    run.swf.refuse = lambda decision: None
    run.decide()
    run.swf.reached(run.swf.events[-1].id, "run-o")
    assert run.result() == 1


def test_called_off_while_it_pauses_it_is_not_asked_again(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.external("other").signal(WORD, "x"))
        await flow.wait_condition(lambda: bool(self.heard))
        task.cancel()
        await flow.sleep(90)
        return number

    run = programs.run(body)
    run.swf.refuse = lambda decision: RATE if decision.type.startswith("Signal") else None
    run.decide()
    run.decide()
    run.signal(programs.NEWS, 1)
    run.decide()
    assert said(run) == ["CancelTimer", "StartTimer"] or said(run) == ["StartTimer", "CancelTimer"]
    assert run.result() == 1
    assert [event.type for event in run.swf.events].count("SignalExternalWorkflowExecutionFailed") == 1


def test_a_refusal_of_what_nobody_waits_for_any_more_is_the_last(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.external("other").signal(WORD, "x"))
        await flow.sleep(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await flow.sleep(90)
        return number

    run = programs.run(body)
    run.decide()
    ((initiated_id, _),) = run.swf.requests.items()
    run.swf.fire("1")
    run.decide()
    run.swf.not_done(initiated_id, RATE)
    assert run.decide().decisions == ()
    assert run.result() == 1


def test_a_timer_refused_to_a_workflow_that_has_ended_does_not_hold_it_up(programs: Any) -> None:
    causes = iter(["REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"])
    refusals = {"RequestCancelExternalWorkflowExecution": causes, "StartTimer": iter(["OPEN_TIMERS_LIMIT_EXCEEDED"])}
    run = programs.run(parent)
    run.swf.refuse = lambda decision: next(refusals.get(decision.type, iter(())), None)
    started(run)
    run.decide()
    run.swf.request_cancel()
    run.settle()
    assert run.swf.closed == "WorkflowExecutionCanceled"


def test_a_parent_cancelled_before_its_child_started_tells_it_before_it_closes(programs: Any) -> None:
    run = programs.run(parent)
    run.decide()
    (initiated_id,) = run.swf.children
    run.swf.request_cancel()
    assert run.decide().decisions == ()
    run.swf.child_started(initiated_id, "run-c")
    run.decide()
    assert said(run) == ["RequestCancelExternalWorkflowExecution"]
    run.swf.reached(run.swf.events[-1].id, "run-c")
    run.decide()
    assert run.swf.closed == "WorkflowExecutionCanceled"


def test_a_cancelled_parent_does_not_wait_for_a_child_that_never_starts(programs: Any) -> None:
    run = programs.run(parent)
    run.decide()
    (initiated_id,) = run.swf.children
    run.swf.request_cancel()
    run.decide()
    run.swf.not_done(initiated_id, "WORKFLOW_ALREADY_RUNNING")
    run.decide()
    assert run.swf.closed == "WorkflowExecutionCanceled"


def test_cancelling_the_wait_for_a_result_leaves_the_child_alone(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        child = await flow.start_child(CHILD, number, workflow_id="child")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await child.result()
        return await child.result() + await child.result()

    run = programs.run(body)
    initiated_id = started(run)
    run.decide()
    run.swf.fire("1")
    assert run.decide().decisions == ()
    run.swf.close_child(initiated_id, "Completed", result="4")
    assert run.result() == 8


def test_a_message_called_off_before_it_was_sent_is_dropped(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.external("other").signal(WORD, "x"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return number

    (decision,) = programs.run(body).decide().decisions
    assert decision.type == "CompleteWorkflowExecution"


def test_a_message_called_off_later_may_arrive_or_not(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await flow.external("other", "run-o").signal(WORD, "x")
        await flow.sleep(5)
        return number

    run = programs.run(body)
    run.decide()
    ((initiated_id, request),) = run.swf.requests.items()
    asked = {"workflowId": "other", "runId": "run-o", "signalName": "word", "input": '"x"'}
    assert asked.items() <= request.attributes.items()
    run.swf.fire("1")
    run.decide()
    run.swf.not_done(initiated_id, "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
    assert run.result() == 1


def test_another_child_than_recorded_is_a_difference(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        return await flow.run_child(CHILD, number, workflow_id="other")

    run = programs.run(parent)
    run.swf.close_child(started(run), "Completed", result="42")
    run.result()
    with pytest.raises(flow.NonDeterminism, match="StartChildWorkflowExecutionInitiated Child/2 child 1"):
        flow.replay(programs.make(changed), run.swf.events)
