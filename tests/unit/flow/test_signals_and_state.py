"""Signals, published state, what a run knows of itself, patches."""

from __future__ import annotations

from typing import Any

import structlog

from elbflow import flow, swf


def test_signals_arrive_in_order_before_waiting_code_runs_on(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        await programs.double(number)
        return list(self.heard)

    run = programs.run(body, output=list[int])
    run.signal(programs.NEWS, 1)
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.signal(programs.NEWS, 2)
    run.swf.start_activity(scheduled_id)
    run.swf.close_activity(scheduled_id, "Completed", result="2")
    run.signal(programs.NEWS, 3)
    assert run.result() == [1, 2, 3]


def test_signals_that_cannot_be_read_are_dropped_and_reported_once(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        await flow.wait_condition(lambda: bool(self.heard))
        await flow.sleep(1)
        return list(self.heard)

    run = programs.run(body, output=list[int])
    run.swf.signal("news", '"no number"')
    run.swf.signal("unheard of")
    (unreadable,) = run.decide().dropped_signals
    assert unreadable.startswith("news: cannot decode")
    run.signal(programs.NEWS, 5)
    assert run.decide().dropped_signals == ()
    assert run.result() == [5]
    assert run.decided[-1].dropped_signals == ("unheard of: nobody asked for it",)


def test_a_signal_method_that_raises_is_a_defect(programs: Any) -> None:
    import pytest

    async def body(self: Any, number: int) -> int:
        self.heard = None
        await flow.sleep(1)
        return number

    run = programs.run(body)
    run.decide()
    run.signal(programs.NEWS, 1)
    with pytest.raises(flow.WorkflowDefect, match="AttributeError"):
        run.decide()


def test_state_is_published_with_every_decision(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.set_state({"phase": 1})
        await programs.double(1)
        await programs.double(2)
        flow.set_state({"phase": 2})
        return number

    run = programs.run(body)
    run.result()
    assert [decided.execution_context for decided in run.decided] == ['{"phase":1}', '{"phase":1}', '{"phase":2}']
    assert run.state(dict[str, int]) == {"phase": 2}


def test_info_tells_what_a_run_is(programs: Any) -> None:
    infos: list[flow.WorkflowInfo] = []

    async def body(self: Any, number: int) -> int:
        infos.append(flow.info())
        await programs.double(1)
        infos.append(flow.info())
        return number

    run = programs.run(body, 5, tags=("a", "b"))
    run.result()
    first, last = infos[0], infos[-1]
    assert first.workflow_id == "workflow-1"
    assert first.run_id == "run-1"
    assert first.type == swf.TypeId("body", "1.0")
    assert (first.input, first.tags, first.task_list) == (5, ("a", "b"), "decisions")
    assert first.started_at.timestamp() == 1_700_000_000.0
    assert first.continued_from is None
    assert not first.cancel_requested
    assert (first.history_length, last.history_length) == (3, 9)


def test_the_logger_is_silent_during_replay(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.logger.info("begun", number=number)
        await programs.double(1)
        flow.logger.warning("went_on")
        return number

    with structlog.testing.capture_logs() as logs:
        programs.value(body, 3)
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("begun", "info"), ("went_on", "warning")]
    assert logs[0]["workflow_id"] == "workflow-1"
    assert logs[0]["number"] == 3


def test_a_patch_holds_for_new_executions_and_not_for_old_decisions(programs: Any) -> None:
    async def old(self: Any, number: int) -> int:
        await programs.double(number)
        return int(await programs.double(10))

    async def new(self: Any, number: int) -> int:
        await programs.double(number)
        extra = 1 if flow.patched("one more") else 0
        return int(await programs.double(10 + extra))

    fresh = programs.run(new)
    assert fresh.result() == 22
    markers = [event for event in fresh.swf.events if event.type == "MarkerRecorded"]
    assert [marker.attributes["details"] for marker in markers] == ["one more"]

    running = programs.run(old)
    running.run(lambda: len(running.decided) == 2)
    running.workflow_class = programs.make(new, int)
    assert running.result() == 20


def test_a_patch_in_a_closing_decision_is_recorded(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return 1 if flow.patched("late") and flow.patched("late") else 0

    run = programs.run(body)
    assert run.result() == 1
    assert [decision.type for decision in run.decided[0].decisions] == ["RecordMarker", "CompleteWorkflowExecution"]


def test_a_patch_survives_an_overtaken_close(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return sum(self.heard) if flow.patched("late") else -1

    from elbflow.flow.core import decide

    run = programs.run(body)
    decided = decide.decide(run.workflow_class, run.swf.poll())
    run.signal(programs.NEWS, 3)
    run.swf.respond(decided.decisions)
    assert run.result() == 3
    assert [event.type for event in run.swf.events].count("MarkerRecorded") == 1
