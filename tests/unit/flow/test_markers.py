"""Markers, side effects, and patches among many other commands."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from typing import Any

import pytest

from elbflow import flow, swf
from elbflow.flow.core import commands, decide, markers


def test_a_marker_is_recorded_with_its_details(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.record_marker("begun")
        await programs.double(number)
        flow.record_marker("done", "well")
        return number

    run = programs.run(body)
    run.result()
    recorded = [dict(event.attributes) for event in run.swf.events if event.type == "MarkerRecorded"]
    assert [(marker["markerName"], marker.get("details")) for marker in recorded] == [("begun", None), ("done", "well")]


def test_markers_of_the_runtime_are_not_the_authors(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.record_marker("elbflow.patched", "x")
        return number

    with pytest.raises(flow.WorkflowDefect, match="runtime's own"):
        programs.run(body).decide()


def test_a_refused_marker_fails_the_workflow(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.record_marker("begun")
        await flow.sleep(60)
        return number

    run = programs.run(body)
    run.swf.refuse = lambda decision: "OPERATION_NOT_PERMITTED" if decision.type == "RecordMarker" else None
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "MarkerRefused"


def test_a_side_effect_happens_once_and_keeps_its_type(programs: Any) -> None:
    count = itertools.count(1)

    async def body(self: Any, number: int) -> list[Any]:
        first = flow.side_effect(lambda: (next(count), random.random()), tuple[int, float])
        await programs.double(number)
        again = flow.side_effect(lambda: next(count), int)
        await programs.double(again)
        assert isinstance(first, tuple)
        return [first[0], again]

    assert programs.value(body, output=list[Any]) == [1, 2]
    assert next(count) == 3


def test_a_side_effect_that_history_does_not_have_is_a_difference(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return int(await programs.double(number))

    async def changed(self: Any, number: int) -> int:
        return int(await programs.double(flow.side_effect(lambda: number, int)))

    run = programs.run(body)
    run.result()
    with pytest.raises(flow.NonDeterminism, match="no value of side effect 1"):
        flow.replay(programs.make(changed), run.swf.events)


def test_a_side_effect_left_out_is_a_difference(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return int(await programs.double(flow.side_effect(lambda: number, int)))

    async def changed(self: Any, number: int) -> int:
        return int(await programs.double(number))

    run = programs.run(body)
    run.result()
    with pytest.raises(flow.NonDeterminism, match=r"elbflow.side-effect 1:1"):
        flow.replay(programs.make(changed), run.swf.events)


def test_an_error_in_a_side_effect_withholds_the_decision(programs: Any) -> None:
    def fail() -> int:
        raise OSError("no such thing")

    async def body(self: Any, number: int) -> int:
        try:
            return flow.side_effect(fail, int)
        except OSError:
            return 0

    with pytest.raises(flow.WorkflowDefect, match="no such thing"):
        programs.run(body).decide()


def test_markers_beside_an_overtaken_close_do_not_lose_the_news(programs: Any) -> None:
    count = itertools.count(1)

    async def body(self: Any, number: int) -> list[int]:
        flow.record_marker("closing")
        return [flow.side_effect(lambda: next(count), int), *self.heard]

    run = programs.run(body, output=list[int])
    decided = decide.decide(run.workflow_class, run.swf.poll())
    run.signal(programs.NEWS, 5)
    run.swf.respond(decided.decisions)
    assert run.result() == [2, 5]


@pytest.mark.parametrize("marks", [1, 150])
def test_markers_and_patches_go_at_once_however_much_is_asked_for(programs: Any, marks: int) -> None:
    """They are not counted among the hundred: the patch's is not asked for again in replay."""

    async def body(self: Any, number: int) -> int:
        tasks = [asyncio.create_task(programs.double(value)) for value in range(90)]
        await asyncio.sleep(0)
        for mark in range(marks):
            flow.record_marker(f"mark-{mark}")
        assert flow.patched("new")
        drawn = flow.side_effect(lambda: 7, int)
        tasks += [asyncio.create_task(programs.double(value)) for value in range(90)]
        return drawn + sum(await asyncio.gather(*tasks))

    run = programs.run(body)
    first = [decision.type for decision in run.decide().decisions]
    assert (first.count("RecordMarker"), first.count("ScheduleActivityTask")) == (marks + 2, 99)
    assert run.result() == 7 + 4 * sum(range(90))


def test_too_many_bytes_of_markers_are_refused_when_asked_for(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        try:
            for index in range(20):
                flow.record_marker(f"mark-{index}", "x" * 32_000)
        except flow.PayloadTooLarge as error:
            return f"{index} {error.field}"
        return "all"

    assert programs.value(body, output=str) == "9 markers of one decision"


def test_side_effects_beyond_what_fits_are_refused_alike_in_replay(programs: Any) -> None:
    """What replay is to hear again is recorded in any case, and a patch takes no room from the others."""

    async def body(self: Any, number: int) -> list[Any]:
        for index in range(9):
            flow.record_marker(f"mark-{index}", "x" * 32_000)
        for index in range(20):
            try:
                self.log.append(flow.side_effect(functools.partial(int, index), int))
            except flow.PayloadTooLarge:
                self.log.append("refused")
        new = flow.patched("new")
        with pytest.raises(flow.PayloadTooLarge):
            flow.record_marker("one more")
        await flow.sleep(1)
        return [new, flow.patched("new"), *self.log]

    assert programs.value(body, output=list[Any]) == [True, True, *range(14), *["refused"] * 6]


def test_a_patch_that_cannot_be_recorded_is_not_taken_for_recorded() -> None:
    run = markers.Markers(commands.Outbox(), frozenset())
    for _ in range(2):
        with pytest.raises(flow.PayloadTooLarge):
            run.patched("x" * 33_000)


def test_a_run_in_memory_gives_what_it_gave(programs: Any) -> None:
    count = itertools.count(1)

    async def body(self: Any, number: int) -> list[Any]:
        value = flow.side_effect(lambda: next(count), int)
        new = flow.patched("new")
        await programs.double(number)
        return [value, new, flow.patched("new"), flow.side_effect(lambda: next(count), int)]

    run = programs.run(body, output=list[Any])
    kept = decide.Run(run.workflow_class)
    while run.swf.closed is None:
        decided = kept.decide(run.swf.poll()[kept.started_id :])
        run.swf.respond(decided.decisions)
        for scheduled_id in list(run.swf.activities):
            run.swf.start_activity(scheduled_id)
            run.swf.close_activity(scheduled_id, "Completed", result="2")
    kept.close()
    flow.replay(run.workflow_class, run.swf.events)
    assert run.swf.close_event.attributes["result"] == "[1,true,true,2]"
    assert isinstance(run.swf.events[0], swf.HistoryEvent)
