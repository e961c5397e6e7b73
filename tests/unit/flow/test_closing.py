"""How workflows end, and what happens when SWF refuses the end."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from elbflow import errors, flow, swf
from elbflow.flow import definition
from elbflow.flow.core import decide


def test_a_planned_error_fails_the_workflow_with_its_type_and_message(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise swf.UnknownResource("gone for good")

    run = programs.run(body)
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "UnknownResource"
    assert json.loads(caught.value.details or "") == {"type": "UnknownResource", "message": "gone for good"}


def test_a_group_of_planned_errors_counts_as_its_first(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async def fail(kind: type[errors.Permanent]) -> None:
            raise kind("inside")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail(flow.PayloadTooLarge))
            group.create_task(fail(errors.Permanent))
        return number

    with pytest.raises(flow.WorkflowFailed) as caught:
        programs.value(body)
    assert caught.value.reason == "PayloadTooLarge"


def test_a_group_with_one_bug_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise ExceptionGroup("both", [errors.Permanent("planned"), KeyError("bug")])

    with pytest.raises(flow.WorkflowDefect):
        programs.value(body)


@pytest.mark.parametrize("error", [KeyError("x"), errors.Retryable("x"), TimeoutError(), RuntimeError("x")])
def test_any_other_error_is_a_defect_with_its_source_line(programs: Any, error: Exception) -> None:
    async def body(self: Any, number: int) -> int:
        raise error

    with pytest.raises(flow.WorkflowDefect) as caught:
        programs.run(body).decide()
    assert caught.value.location.startswith(__file__)
    assert caught.value.location.endswith("body")
    assert caught.value.__cause__ is error


def test_a_result_that_does_not_fit_fails_the_workflow(programs: Any) -> None:
    import random

    async def body(self: Any, number: int) -> str:
        return text

    text = "".join(chr(code) for code in random.Random(4).sample(range(0x4E00, 0x9FFF), 20_000)) * 2
    with pytest.raises(flow.WorkflowFailed) as caught:
        programs.value(body, output=str)
    assert caught.value.reason == "PayloadTooLarge"


def test_a_result_of_the_wrong_type_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> Any:
        return "text"

    with pytest.raises(flow.PayloadMismatch):
        programs.value(body)


def test_an_input_of_the_wrong_type_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return number

    run = programs.run(body)
    started = run.swf.events[0]
    run.swf.events[0] = swf.HistoryEvent(1, started.type, started.timestamp, {**started.attributes, "input": '"x"'})
    with pytest.raises(flow.PayloadMismatch):
        run.decide()


def test_an_unready_constructor_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return number

    run = programs.run(body)
    run.workflow_class.__init__ = lambda self, needed: None  # type: ignore[misc]
    with pytest.raises(flow.WorkflowDefect, match="TypeError"):
        run.decide()


def test_continuing_as_new_keeps_settings_and_tags(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise flow.continue_as_new(number + 1)

    run = programs.run(body, 1, tags=("account:1", "loadbalancer:x"))
    (decision,) = run.decide().decisions
    assert decision == swf.Decision(
        "ContinueAsNewWorkflowExecution",
        {
            "input": "2",
            "workflowTypeVersion": "1.0",
            "executionStartToCloseTimeout": "3600",
            "taskStartToCloseTimeout": "60",
            "childPolicy": "TERMINATE",
            "taskList": {"name": "decisions"},
            "tagList": ["account:1", "loadbalancer:x"],
        },
    )
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"


def test_the_signature_of_the_workflow_itself_may_be_named(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        own = definition.definition(type(self)).signature
        raise flow.continue_as_new(own, number + 1)

    run = programs.run(body)
    (decision,) = run.decide().decisions
    assert (decision.type, decision.attributes["input"]) == ("ContinueAsNewWorkflowExecution", "2")


@pytest.mark.parametrize("when_long", [False, True])
def test_another_workflow_does_not_take_over(programs: Any, when_long: bool) -> None:
    other = flow.WorkflowSignature("other", "1.0", int, int, timedelta(hours=1), timedelta(seconds=60))

    async def body(self: Any, number: int) -> int:
        if when_long:
            flow.continue_when_long(other, lambda: number)
            return number
        raise flow.continue_as_new(other, number)

    with pytest.raises(flow.WorkflowDefect, match="cannot continue as"):
        programs.run(body).decide()


def test_error_handling_does_not_catch_the_continuation(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        try:
            async with asyncio.TaskGroup():
                raise flow.continue_as_new(2)
        except Exception:
            return 0

    run = programs.run(body)
    run.run()
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"


def race(run: Any, news: int, **signals: Any) -> None:
    """Take a decision and, before it is answered, let a signal arrive."""
    decided = decide.decide(run.workflow_class, run.swf.poll(), execution=run.swf.execution)
    run.signal(signals["signal"], news)
    run.swf.respond(decided.decisions, decided.execution_context)


def test_a_close_that_news_overtook_is_decided_again_with_the_news(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await programs.double(number)
        raise flow.continue_as_new(sum(self.heard))

    run = programs.run(body)
    run.run(lambda: run.swf.decision_waits and len(run.decided) == 1)
    race(run, 40, signal=programs.NEWS)
    assert run.swf.events[-1].type == "ContinueAsNewWorkflowExecutionFailed"
    race(run, 2, signal=programs.NEWS)
    run.run()
    assert run.swf.close_event.attributes["input"] == "42"


def test_news_that_change_the_course_are_followed(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.timeout(60):
            await programs.double(number)
        if self.heard:
            return int(await programs.double(self.heard[0]))
        return number

    run = programs.run(body)
    run.run(lambda: run.swf.decision_waits and len(run.decided) == 1)
    race(run, 21, signal=programs.NEWS)
    assert run.swf.events[-1].type == "CompleteWorkflowExecutionFailed"
    assert run.result() == 42


@pytest.mark.parametrize("ending", ["complete", "fail", "cancel"])
def test_every_close_survives_being_overtaken(programs: Any, ending: str) -> None:
    async def body(self: Any, number: int) -> int:
        if ending == "fail":
            raise errors.Permanent("planned")
        if ending == "cancel":
            raise errors.Cancelled("called off")
        return number

    run = programs.run(body)
    race(run, 1, signal=programs.NEWS)
    race(run, 2, signal=programs.NEWS)
    run.run()
    closes = {"complete": "Completed", "fail": "Failed", "cancel": "Canceled"}
    assert run.swf.closed == f"WorkflowExecution{closes[ending]}"


def test_a_close_refused_for_another_cause_is_tried_again_after_a_minute(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise flow.continue_as_new(number)

    run = programs.run(body)
    causes = iter(["CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED", "WORKFLOW_TYPE_DEPRECATED"])
    run.swf.refuse = lambda decision: next(causes, None) if decision.type.startswith("Continue") else None
    start = run.swf.now
    run.run()
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert run.swf.now == start + 120
    assert [event.type for event in run.swf.events].count("ContinueAsNewWorkflowExecutionFailed") == 2


def test_a_close_whose_retry_timer_is_refused_waits_for_any_news(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return number

    run = programs.run(body)
    closes, timers = (
        iter(["OPERATION_NOT_PERMITTED"]),
        iter(["TIMER_CREATION_RATE_EXCEEDED", "OPERATION_NOT_PERMITTED"]),
    )
    run.swf.refuse = lambda decision: next(timers if decision.type == "StartTimer" else closes, None)
    run.settle()
    assert run.swf.closed is None
    assert [decided.decisions[0].type for decided in run.decided[:-1]] == [
        "CompleteWorkflowExecution",
        "StartTimer",
        "StartTimer",
    ]
    run.signal(programs.NEWS, 1)
    assert run.result() == 1


def test_signals_while_waiting_to_close_do_not_disturb(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return number

    run = programs.run(body)
    causes = iter(["OPERATION_NOT_PERMITTED"])
    run.swf.refuse = lambda decision: next(causes, None) if decision.type.startswith("Complete") else None
    run.decide()
    run.decide()
    run.signal(programs.NEWS, 1)
    assert run.decide().decisions == ()
    assert run.result() == 1


def test_a_close_takes_everything_else_along(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        self.tasks = [asyncio.create_task(programs.double(1)), asyncio.create_task(flow.sleep(5))]
        await asyncio.sleep(0)
        flow.set_state({"done": True})
        return number

    run = programs.run(body)
    decided = run.decide()
    assert [decision.type for decision in decided.decisions] == ["CompleteWorkflowExecution"]
    assert run.state(dict[str, bool]) == {"done": True}


@pytest.mark.parametrize("text", ["\x00" * 8_000, "\udc80\udcff"])
def test_errors_of_any_text_close_the_workflow(programs: Any, text: str) -> None:
    """Escaped, they exceeded SWF's limit or were no text at all: the close was refused again and again."""

    async def body(self: Any, number: int) -> int:
        error = errors.Permanent(text)
        error.add_note(text)
        raise error

    (decision,) = programs.run(body).decide().decisions
    assert decision.type == "FailWorkflowExecution"
    details = str(decision.attributes["details"])
    assert len(details) <= 32_768
    assert details.encode()
