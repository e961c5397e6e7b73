"""Activities, a signal and signatures that the tests of flow share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from elbflow import flow, swf
from elbflow.testing import WorkflowRun


@flow.abstract_activity(name="double", version="1", start_to_close=timedelta(seconds=30))
async def double(number: int) -> int:
    """Twice the number."""


@flow.abstract_activity(name="undo", version="1", start_to_close=timedelta(seconds=30))
async def undo(name: str) -> None:
    """Take back what was done under ``name``."""


NEWS = flow.SignalSignature("news", int)


class Programs:
    """Makes workflows of plain coroutine functions: ``async def body(workflow, number) -> int``."""

    double = double
    undo = undo
    NEWS = NEWS

    def make(self, body: Callable[[Any, int], Awaitable[Any]], output: Any = int) -> type:
        signature = flow.WorkflowSignature(body.__name__, "1.0", int, output, timedelta(hours=1), timedelta(seconds=60))

        @flow.workflow(signature)
        class Program:
            def __init__(self) -> None:
                self.heard: list[int] = []
                self.log: list[Any] = []

            async def run(self, number: int) -> Any:
                return await body(self, number)

            @flow.signal(NEWS)
            def news(self, value: int) -> None:
                self.heard.append(value)

        return Program

    def run(self, body: Callable[[Any, int], Awaitable[Any]], number: int = 1, **options: Any) -> WorkflowRun:
        """A run whose activities double numbers and undo things."""
        output = options.pop("output", int)
        activities = {double: lambda value: 2 * value, undo: lambda name: None} | options.pop("activities", {})
        return WorkflowRun(self.make(body, output), number, activities=activities, **options)

    def value(self, body: Callable[[Any, int], Awaitable[Any]], number: int = 1, **options: Any) -> Any:
        return self.run(body, number, **options).result()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Rendering tracebacks on a console reads files, which would block the loop."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def programs() -> Programs:
    return Programs()


@pytest.fixture
def kinds() -> Callable[[WorkflowRun], list[str]]:
    """Types of a history's events, without decision tasks."""

    def listing(run: WorkflowRun) -> list[str]:
        return [event.type for event in run.swf.events if not event.type.startswith("DecisionTask")]

    return listing


@pytest.fixture
async def outer_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


class Recorder:
    """An SWF that keeps what it is told, and answers with ``faults`` first."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.faults: list[Exception | None] = []
        self.pages: dict[str, tuple[list[swf.HistoryEvent], str | None]] = {}
        self.answer_history: Callable[[int | None], list[swf.HistoryEvent]] = lambda limit: []
        self.cancel_requested = False
        self.registered = swf.TypeDetail(deprecated=False, task_list="list")
        self.entered = 0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.entered += 1
            await asyncio.sleep(0)
            self.calls.append((name, args, kwargs))
            fault = self.faults.pop(0) if self.faults else None
            if fault is not None:
                raise fault
            if name == "record_activity_task_heartbeat":
                return self.cancel_requested
            if name.endswith("_type") and name.startswith("describe_"):
                return self.registered
            if name == "get_workflow_execution_history":
                return self.answer_history(kwargs["limit"])
            return self.pages[args[1]] if name == "decision_task_page" else None

        return call

    def named(self, prefix: str) -> list[tuple[Any, ...]]:
        return [args for name, args, _ in self.calls if name.startswith(prefix)]

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


class Lanes:
    """A scheduler that polls nothing: it keeps the lanes it was given."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.failure: Exception | None = None
        self.lanes: list[tuple[swf.TaskList, dict[str, Any]]] = []
        self.closed = 0

    def add_lane(self, task_list: swf.TaskList, handler: Any, **options: Any) -> Lanes:
        self.lanes.append((task_list, {"handler": handler, **options}))
        return self

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def service() -> Recorder:
    return Recorder()


@pytest.fixture
def scheduler() -> Lanes:
    return Lanes()
