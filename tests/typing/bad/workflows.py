"""Workflow classes that do not fit their signatures, and wrong calls of clients."""

from __future__ import annotations

from datetime import timedelta

from elbflow import flow, swf

ORDER = flow.WorkflowSignature("Order", "1", str, int, timedelta(hours=1), timedelta(seconds=30))
ADDED = flow.SignalSignature("added", int)


@flow.workflow(ORDER)  # error: arg-type | reportArgumentType, reportUntypedClassDecorator
class OtherInput:
    async def run(self, request: int) -> int:
        return request


@flow.workflow(ORDER)  # error: arg-type | reportArgumentType, reportUntypedClassDecorator
class OtherOutput:
    async def run(self, request: str) -> str:
        return request


@flow.workflow(ORDER)  # error: arg-type | reportArgumentType, reportUntypedClassDecorator
class NotAsync:
    def run(self, request: str) -> int:
        return len(request)


@flow.workflow(ORDER)  # error: arg-type | reportArgumentType, reportUntypedClassDecorator
class TwoArguments:
    async def run(self, request: str, more: str) -> int:
        return len(request + more)


@flow.workflow(ORDER)  # error: arg-type | reportArgumentType, reportUntypedClassDecorator
class NoRun:
    pass


@flow.workflow(ORDER)  # error: arg-type | -
class NeedsArguments:
    def __init__(self, more: str) -> None:
        self.more = more

    async def run(self, request: str) -> int:
        return len(request + self.more)


@flow.workflow(ORDER)
class WrongSignals:
    async def run(self, request: str) -> int:
        return len(request)

    @flow.signal(ADDED)  # error: arg-type | reportArgumentType
    def other_value(self, value: str) -> None:
        """Takes what is never sent."""

    @flow.signal(ADDED)  # error: arg-type | reportArgumentType
    async def not_plain(self, value: int) -> None:
        """Signals are plain methods."""

    @flow.signal(ADDED)  # error: arg-type | reportArgumentType
    def no_value(self) -> None:
        """Takes nothing."""


async def wrong_calls(client: flow.Client, execution: swf.Execution) -> None:
    await client.start(ORDER, "order-1", 7)  # error: misc | reportArgumentType
    await client.signal("order-1", ADDED, "seven")  # error: misc | reportArgumentType
    result: str = await client.result(ORDER, execution, deadline_s=10)  # error: arg-type | reportAssignmentType
    await client.start(result, "order-1", "books")  # error: arg-type | reportArgumentType
    await flow.sleep("1 s")  # error: arg-type | reportArgumentType
    await flow.wait_condition(True)  # error: arg-type | reportArgumentType
    if result:
        raise flow.continue_as_new(ORDER, 7)  # error: misc | reportArgumentType
    raise flow.continue_as_new()  # error: call-overload | reportCallIssue
