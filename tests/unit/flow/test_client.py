"""Callers of workflows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from elbflow import flow, swf
from elbflow.clock import ManualClock

SIGNATURE = flow.WorkflowSignature("W", "1", int, str, timedelta(hours=1), timedelta(seconds=30), "ABANDON")
SIGNAL = flow.SignalSignature("s", tuple[int, str])
EXECUTION = swf.Execution("id", "run")


class Service:
    """Describes one execution: ``statuses`` in turn, the last one for ever; a fault is raised."""

    def __init__(self, *statuses: str | Exception | None, attributes: dict[str, Any] | None = None) -> None:
        self.statuses = list(statuses)
        self.attributes = attributes or {}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.described: list[float] = []
        self.clock = ManualClock()

    async def start_workflow_execution(self, *args: Any, **kwargs: Any) -> str:
        self.calls.append(("start", args, kwargs))
        return "run"

    async def signal_workflow_execution(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append(("signal", args, kwargs))

    async def request_cancel_workflow_execution(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append(("cancel", args, kwargs))

    async def describe_workflow_execution(self, domain: str, execution: swf.Execution) -> swf.ExecutionDetail:
        self.described.append(self.clock.monotonic())
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        return swf.ExecutionDetail(
            execution, SIGNATURE.type, "CLOSED" if status else "OPEN", status, 0.0, 1.0 if status else None
        )

    async def get_workflow_execution_history(self, *args: Any, **kwargs: Any) -> list[swf.HistoryEvent]:
        assert kwargs == {"reverse": True, "limit": 1}
        return [swf.HistoryEvent(9, "close", 0.0, self.attributes)]

    async def result(self, deadline_s: float = 5.0, advance_s: float = 10.0) -> str:
        client = flow.Client(self, "domain", "list")  # type: ignore[arg-type]
        waiting = asyncio.create_task(client.result(SIGNATURE, EXECUTION, deadline_s=deadline_s, clock=self.clock))
        await self.clock.advance(advance_s)
        return await waiting


async def test_starting_and_signalling() -> None:
    service = Service()
    client = flow.Client(service, "domain", "list")  # type: ignore[arg-type]
    assert await client.start(SIGNATURE, "id", 5, tags=("a",)) == "run"
    await client.signal("id", SIGNAL, (1, "x"))
    await client.request_cancel("id")
    start, signal, cancel = service.calls
    assert start[1] == ("domain", "id", swf.TypeId("W", "1"))
    assert start[2] == {
        "input": "5",
        "task_list": "list",
        "tags": ("a",),
        "execution_timeout": timedelta(hours=1),
        "decision_timeout": timedelta(seconds=30),
        "child_policy": "ABANDON",
        "priority": None,
    }
    assert signal[1:] == (("domain", "id", "s"), {"run_id": None, "input": '[1,"x"]'})
    assert cancel[1:] == (("domain", "id"), {"run_id": None})


async def test_a_result_is_waited_for_with_growing_pauses() -> None:
    service = Service(*[None] * 12, "COMPLETED", attributes={"result": '"done"'})
    assert await service.result() == "done"
    pauses = [after - before for before, after in zip(service.described, service.described[1:], strict=False)]
    assert pauses[0] == pytest.approx(0.02)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(0.5)


async def test_a_failure_and_other_ends_are_told_apart() -> None:
    with pytest.raises(flow.WorkflowFailed) as caught:
        await Service("FAILED", attributes={"reason": "Because", "details": "{}"}).result()
    assert (caught.value.reason, caught.value.details) == ("Because", "{}")
    with pytest.raises(flow.WorkflowClosed) as closed:
        await Service(None, "TERMINATED").result()
    assert closed.value.status == "TERMINATED"


async def test_the_deadline_ends_the_wait() -> None:
    service = Service(None)
    with pytest.raises(flow.StillRunning, match=r"after 2\.0 s"):
        await service.result(2.0)
    assert service.described[-1] == pytest.approx(2.0)


async def test_faults_that_pass_are_waited_out() -> None:
    service = Service(swf.Throttled(), swf.Unavailable(), "COMPLETED", attributes={"result": '"done"'})
    assert await service.result() == "done"
    with pytest.raises(swf.Throttled):
        await Service(swf.Throttled()).result(1.0)
    with pytest.raises(swf.UnknownResource):
        await Service(swf.UnknownResource()).result()


async def test_a_deprecated_type_says_what_to_do() -> None:
    class Deprecated(Service):
        async def start_workflow_execution(self, *args: Any, **kwargs: Any) -> str:
            raise swf.TypeDeprecated("WorkflowType=[name=W, version=1]")

    with pytest.raises(swf.TypeDeprecated) as caught:
        await flow.Client(cast(Any, Deprecated(None)), "d", "list").start(SIGNATURE, "w", 1)
    assert caught.value.__notes__ == ["W 1: undeprecate the type, or start a new version"]
