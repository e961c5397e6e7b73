"""Signatures and the decorators that bind code to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf
from elbflow.flow import definition

RETRY = flow.RetryPolicy(3, timedelta(seconds=1), 3.0, timedelta(seconds=5))


@flow.abstract_activity(name="a", version="2", start_to_close=timedelta(seconds=5), heartbeat=timedelta(seconds=9))
async def sample(value: int) -> str:
    """A stub."""


def test_using_changes_only_what_is_named() -> None:
    other = sample.using(task_list="i-1", heartbeat=None, retry=RETRY)
    assert other.options == flow.ActivityOptions("i-1", None, timedelta(seconds=5), None, None, RETRY)
    assert sample.options.heartbeat == timedelta(seconds=9)
    assert other.using(start_to_close=timedelta(seconds=1)).options.task_list == "i-1"
    assert (other.name, other.type, other.function) == ("a", swf.TypeId("a", "2"), sample.function)


def test_pauses_grow_to_the_maximum() -> None:
    assert [RETRY.pause(failures).total_seconds() for failures in (1, 2, 3, 50)] == [1, 3, 5, 5]


@pytest.mark.parametrize("options", [{"maximum_attempts": 0}, {"factor": 0.5}, {"initial": timedelta(seconds=-1)}])
def test_senseless_retry_policies_are_refused(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"maximum_attempts": 1, "initial": timedelta(seconds=1)}
    with pytest.raises(ValueError, match="not a retry policy"):
        flow.RetryPolicy(**{**given, **options})


def test_activities_are_declared_with_async_def() -> None:
    with pytest.raises(TypeError, match="async def"):

        @flow.abstract_activity(name="x", version="1")  # type: ignore[arg-type]
        def wrong() -> None:
            """Not a coroutine function."""


def test_parameters_need_annotations() -> None:
    @flow.abstract_activity(name="x", version="1")
    async def wrong(value) -> None:  # type: ignore[no-untyped-def]
        """No annotation."""

    with pytest.raises(TypeError, match="annotated"):
        wrong.encode_arguments(1)


async def test_calls_outside_a_workflow_are_defects() -> None:
    with pytest.raises(flow.OutsideWorkflow):
        await sample(1)
    for call in (flow.now, flow.info, lambda: flow.set_state(1), lambda: flow.continue_as_new(1)):
        with pytest.raises(flow.OutsideWorkflow):
            call()


SIGNATURE = flow.WorkflowSignature("W", "1", int, int, timedelta(hours=1), timedelta(seconds=30))
SIGNAL = flow.SignalSignature("s", int)


def test_workflow_classes_are_checked_when_they_are_defined() -> None:
    with pytest.raises(TypeError, match="async def run"):

        @flow.workflow(SIGNATURE)  # type: ignore[arg-type]
        class NoRun:
            pass

    with pytest.raises(TypeError, match="plain functions"):

        class AsyncSignal:
            @flow.signal(SIGNAL)  # type: ignore[arg-type]
            async def receive(self, value: int) -> None:
                """Not plain."""

    with pytest.raises(TypeError, match="two methods"):

        @flow.workflow(SIGNATURE)
        class Twice:
            async def run(self, value: int) -> int:
                return value

            @flow.signal(SIGNAL)
            def one(self, value: int) -> None:
                """One receiver."""

            @flow.signal(SIGNAL)
            def two(self, value: int) -> None:
                """Another."""


def test_a_subclass_is_not_a_workflow_by_itself() -> None:
    @flow.workflow(SIGNATURE)
    class Base:
        async def run(self, value: int) -> int:
            return value

    class Derived(Base):
        pass

    assert definition.definition(Base).type == swf.TypeId("W", "1")
    with pytest.raises(TypeError, match="not decorated"):
        definition.definition(Derived)


def test_registries_keep_one_function_per_type() -> None:
    async def implementation(value: int) -> str:
        return str(value)

    registry = flow.ActivityRegistry()
    registry.bind(sample, implementation)
    found = registry.find(swf.TypeId("a", "2"))
    assert found is not None
    assert found.implementation is implementation
    assert registry.find(swf.TypeId("a", "3")) is None
    assert registry.activities() == (sample,)
    assert len(registry) == 1
    with pytest.raises(ValueError, match="bound already"):
        registry.bind(sample, implementation)
