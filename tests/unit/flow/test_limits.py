"""What SWF would not accept is refused when a workflow asks, with the field and its size."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow

HOUR = timedelta(hours=1)
NOISE = "".join(chr(code) for code in random.Random(4).sample(range(0x4E00, 0x9FFF), 20_000)) * 2
CHILD = flow.WorkflowSignature("Child", "1", str, str, HOUR, HOUR)
LONG_NAME = flow.WorkflowSignature("C" * 257, "1", str, str, HOUR, HOUR)
WORD = flow.SignalSignature("word", str)
LONG_WORD = flow.SignalSignature("w" * 300, str)

ASKED: dict[str, tuple[Callable[[Any], Awaitable[object]], str, int]] = {
    "activity input": (lambda programs: programs.undo(NOISE), "input", 0),
    "task list": (lambda programs: programs.undo.using(task_list="l" * 257)("x"), "name", 257),
    "child input": (lambda programs: flow.run_child(CHILD, NOISE, workflow_id="c"), "input", 0),
    "child id": (lambda programs: flow.run_child(CHILD, "", workflow_id="c" * 257), "workflowId", 257),
    "child type": (lambda programs: flow.run_child(LONG_NAME, "", workflow_id="c"), "name", 257),
    "child tag": (lambda programs: flow.run_child(CHILD, "", workflow_id="c", tags=["t" * 257]), "tagList", 257),
    "child tags": (lambda programs: flow.run_child(CHILD, "", workflow_id="c", tags=["t"] * 6), "tagList", 6),
    "signal input": (lambda programs: flow.external("x").signal(WORD, NOISE), "input", 0),
    "signal name": (lambda programs: flow.external("x").signal(LONG_WORD, ""), "signalName", 300),
    "external id": (lambda programs: flow.external("x" * 257).request_cancel(), "workflowId", 257),
}


@pytest.mark.parametrize("what", ASKED)
def test_the_awaiting_code_hears_of_it(programs: Any, what: str) -> None:
    ask, field, size = ASKED[what]

    async def body(self: Any, number: int) -> int:
        with pytest.raises(flow.PayloadTooLarge) as caught:
            await ask(programs)
        assert caught.value.field == field
        assert caught.value.size == (size or caught.value.size)
        assert f"{field} has " in str(caught.value)
        return number

    assert programs.value(body) == 1


@pytest.mark.parametrize(
    ("name", "details", "field"), [("m" * 257, None, "markerName"), ("m", "d" * 32_769, "details")]
)
def test_markers(programs: Any, name: str, details: str | None, field: str) -> None:
    async def body(self: Any, number: int) -> int:
        with pytest.raises(flow.PayloadTooLarge) as caught:
            flow.record_marker(name, details)
        assert caught.value.field == field
        flow.record_marker("m" * 256, "d" * 32_768)
        return number

    assert programs.value(body) == 1


def test_published_state_and_side_effects(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[str]:
        fields = []
        for say in (lambda: flow.set_state(NOISE), lambda: flow.side_effect(lambda: NOISE, str)):
            with pytest.raises(flow.PayloadTooLarge) as caught:
                say()
            fields.append(caught.value.field)
        return fields

    assert programs.value(body, output=list[str]) == ["executionContext", "details"]


def test_a_result_that_does_not_fit_fails_the_workflow_and_says_so(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        return NOISE

    with pytest.raises(flow.WorkflowFailed, match='"field": "result"'):
        programs.value(body, output=str)
