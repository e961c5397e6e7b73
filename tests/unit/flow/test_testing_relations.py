"""Several workflows in a test environment: children, signals and cancel requests between executions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf
from elbflow.flow import testing
from elbflow_engine import histories

PARENT = flow.WorkflowSignature("Parent", "1", str, str, timedelta(hours=5), timedelta(seconds=10))
CHILD = flow.WorkflowSignature("Child", "1", str, str, timedelta(hours=1), timedelta(seconds=10))
GO = flow.SignalSignature("go", str)


@flow.workflow(CHILD)
class Child:
    """Waits for a word; «again» makes it continue as new."""

    def __init__(self) -> None:
        self.word = ""

    @flow.signal(GO)
    def go(self, word: str) -> None:
        self.word = word

    async def run(self, name: str) -> str:
        if name == "quick":
            return "done"
        await flow.wait_condition(lambda: self.word != "")
        if self.word == "again":
            raise flow.continue_as_new("quick")
        return self.word


def parent(body: Callable[[], Awaitable[str]]) -> type:
    @flow.workflow(PARENT)
    class Parent:
        async def run(self, _name: str) -> str:
            return await body()

    return Parent


async def run(body: Callable[[], Awaitable[str]]) -> str:
    """The parent's result; all histories are checked as the engine's are."""
    async with testing.Environment(workflows=[parent(body), Child]) as env:
        try:
            return await env.run(PARENT, "p", workflow_id="parent")
        finally:
            for workflow_id in {running.swf.execution.workflow_id for running in env._world.runs}:
                histories.check(json.loads(env.handle(PARENT, workflow_id).recorded())["events"])


async def test_a_childs_result_comes_to_its_parent() -> None:
    async def body() -> str:
        return await flow.run_child(CHILD, "quick", workflow_id="child")

    assert await run(body) == "done"


async def test_a_child_is_signalled_and_its_last_run_counts() -> None:
    async def body() -> str:
        child = await flow.start_child(CHILD, "waits", workflow_id="child")
        await child.signal(GO, "again")
        return await child.result()

    assert await run(body) == "done"


async def test_a_child_is_cancelled() -> None:
    async def body() -> str:
        child = await flow.start_child(CHILD, "waits", workflow_id="child")
        await child.request_cancel()
        try:
            return await child.result()
        except flow.ChildCanceled:
            return "canceled"

    assert await run(body) == "canceled"


async def test_a_childs_id_may_be_taken() -> None:
    async def body() -> str:
        try:
            await flow.start_child(CHILD, "waits", workflow_id="parent")
        except flow.ChildNotStarted as error:
            return error.cause
        return "started"

    assert await run(body) == "WORKFLOW_ALREADY_RUNNING"


async def test_a_child_times_out() -> None:
    async def body() -> str:
        child = await flow.start_child(CHILD, "waits", workflow_id="child")
        await flow.sleep(timedelta(hours=2))
        try:
            return await child.result()
        except flow.ChildTimedOut:
            return "timed out"

    assert await run(body) == "timed out"


async def test_other_executions_are_signalled_by_name() -> None:
    async def body() -> str:
        child = await flow.start_child(CHILD, "waits", workflow_id="child")
        await flow.external("child").signal(GO, "hello")
        try:
            await flow.external("nobody").signal(GO, "hello")
        except flow.ExternalRefused as error:
            return f"{await child.result()} {error.cause}"
        return "heard"

    assert await run(body) == "hello UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION"


@pytest.mark.parametrize(("policy", "expected"), [("TERMINATE", "TERMINATED"), ("ABANDON", None)])
async def test_a_terminated_parents_policy_is_applied(policy: Any, expected: str | None) -> None:
    signature = flow.WorkflowSignature(
        "Parent", "1", str, str, timedelta(hours=5), timedelta(seconds=10), child_policy=policy
    )

    @flow.workflow(signature)
    class Parent:
        async def run(self, _name: str) -> str:
            return await flow.run_child(CHILD, "waits", workflow_id="child")

    async with testing.Environment(workflows=[Parent, Child]) as env:
        handle = await env.start(signature, "p")
        await env.settle()
        await handle.terminate()
        assert env.handle(CHILD, "child").status == expected


async def test_a_child_that_waits_forever_is_named_in_its_parents_error() -> None:
    async def body() -> str:
        return await flow.run_child(CHILD, "waits", workflow_id="child")

    async with testing.Environment(workflows=[parent(body), Child]) as env:
        with pytest.raises(testing.WaitsForever, match=r"child Child \(child\) is open"):
            await env.run(PARENT, "p", workflow_id="parent")


async def test_executions_are_signalled_and_cancelled_by_their_id() -> None:
    async def body() -> str:
        return await flow.run_child(CHILD, "waits", workflow_id="child")

    async with testing.Environment(workflows=[parent(body), Child]) as env:
        handle = await env.start(PARENT, "p")
        await env.settle()
        await env.signal("child", GO, "by name")
        assert await handle.result() == "by name"

        other = await env.start(CHILD, "waits", workflow_id="other")
        await env.cancel("other")
        await env.settle()
        assert other.status == "CANCELED"
        with pytest.raises(swf.UnknownResource, match="no open execution other"):
            await env.cancel("other")
