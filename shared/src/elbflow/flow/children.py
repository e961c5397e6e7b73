"""Child workflows as workflow code sees them (spec/swf-semantics 3.9, 9.2)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Generic, Literal, TypeAlias

from elbflow import swf
from elbflow.flow import codec, context, errors, messages
from elbflow.flow.cancelling import outcome_of
from elbflow.flow.core.child import Child
from elbflow.flow.signatures import In, Out, SignalSignature, WorkflowSignature

ChildPolicy: TypeAlias = Literal["TERMINATE", "REQUEST_CANCEL", "ABANDON"]


class ChildHandle(Generic[Out]):
    """A child that has started. It runs on when nobody awaits it, and when its parent completes."""

    def __init__(self, child: Child, signature: WorkflowSignature[Any, Out]) -> None:
        self._child = child
        self._signature = signature

    @property
    def execution(self) -> swf.Execution:
        """Workflow id and run id; a child that continues as new keeps only the first."""
        return self._child.started.result()

    async def result(self) -> Out:
        """Wait for the child to close and give its result; may be awaited any number of times.

        Raises :class:`errors.ChildFailed`, :class:`errors.ChildTimedOut`, :class:`errors.ChildCanceled` or
        :class:`errors.ChildTerminated`. Cancelled here, the child runs on.
        """
        context.current()
        text = await asyncio.shield(self._child.outcome)
        try:
            return codec.decode(text, self._signature.output_type)
        except errors.PayloadMismatch as error:
            raise errors.ChildFailed(self._child.workflow_id, type(error).__name__, str(error), details=text) from error

    async def signal(self, signature: SignalSignature[In], value: In) -> None:
        """Signal the child, or its successor; see :meth:`flow.ExternalHandle.signal`."""
        await self._other().signal(signature, value)

    async def request_cancel(self) -> None:
        """Ask the child to cancel itself; see :meth:`flow.ExternalHandle.request_cancel`."""
        await self._other().request_cancel()

    async def _result_or_cancel(self) -> Out:
        try:
            return await self.result()
        except asyncio.CancelledError:
            context.unless_closing(self._child.cancel)
            raise

    def _other(self) -> messages.ExternalHandle:
        context.current()
        if self._child.outcome.done():  # its id may be somebody else's by now
            raise errors.ExternalRefused(self._child.workflow_id, "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")
        return messages.external(self._child.workflow_id)


async def start_child(
    signature: WorkflowSignature[In, Out],
    value: In,
    *,
    workflow_id: str,
    tags: Sequence[str] = (),
    task_list: str | None = None,
    child_policy: ChildPolicy | None = None,
    priority: int | None = None,
    execution_timeout: timedelta | None = None,
) -> ChildHandle[Out]:
    """Start a child workflow; returns when SWF has started it.

    What is not given is the signature's; ``task_list`` and ``priority`` are then the registered type's.
    ``child_policy`` is what happens to the child's own children should it be terminated or time out. What happens to
    the child itself when this workflow is terminated or times out is this workflow's policy; after any other end of
    this workflow its children run on.

    Raises :class:`errors.ChildNotStarted`, :class:`errors.PayloadTooLarge`. Cancelled here, the child is not started,
    or asked to cancel as soon as it has been.
    """
    attributes: dict[str, swf.Json] = {
        "workflowType": {"name": signature.name, "version": signature.version},
        "workflowId": workflow_id,
        "input": codec.encode(value, signature.input_type, field="input"),
        "executionStartToCloseTimeout": _seconds(execution_timeout or signature.execution_timeout),
        "taskStartToCloseTimeout": _seconds(signature.decision_timeout),
        "childPolicy": child_policy or signature.child_policy,
    }
    if tags:
        attributes["tagList"] = list(tags)
    if task_list is not None:
        attributes["taskList"] = {"name": task_list}
    if priority is not None:
        attributes["taskPriority"] = str(priority)
    child = Child(context.current(), attributes)
    await outcome_of(asyncio.shield(child.started), child.cancel)
    return ChildHandle(child, signature)


async def run_child(
    signature: WorkflowSignature[In, Out],
    value: In,
    *,
    workflow_id: str,
    tags: Sequence[str] = (),
    task_list: str | None = None,
    child_policy: ChildPolicy | None = None,
    priority: int | None = None,
    execution_timeout: timedelta | None = None,
) -> Out:
    """Start a child workflow and give its result; arguments and errors as of :func:`start_child`, and those of
    :meth:`ChildHandle.result`.

    Cancelled here, the awaiting code goes on at once and the child is asked to cancel; its outcome is not seen.
    """
    handle = await start_child(
        signature,
        value,
        workflow_id=workflow_id,
        tags=tags,
        task_list=task_list,
        child_policy=child_policy,
        priority=priority,
        execution_timeout=execution_timeout,
    )
    return await handle._result_or_cancel()


def _seconds(limit: timedelta) -> str:
    return str(math.ceil(limit.total_seconds()))
