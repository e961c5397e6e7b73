"""Callers of workflows: start, signal, and wait for the outcome without holding anything but a timer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from elbflow import clock as clocks
from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors
from elbflow.flow.signatures import In, Out, SignalSignature, WorkflowSignature

T = TypeVar("T")

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_PAUSE_FACTOR = 1.5


class Client:
    """Starts and signals executions of one domain whose decisions wait on ``task_list``."""

    def __init__(self, service: swf.Service, domain: str, task_list: str) -> None:
        self._service = service
        self._domain = domain
        self._task_list = task_list

    async def start(
        self,
        signature: WorkflowSignature[In, Out],
        workflow_id: str,
        value: In,
        *,
        tags: Sequence[str] = (),
        priority: int | None = None,
    ) -> str:
        """Start an execution and return its run id.

        Raises :class:`swf.AlreadyStarted`, :class:`swf.UnknownResource` when no worker has registered the type yet,
        :class:`swf.TypeDeprecated`, :class:`errors.PayloadTooLarge`.

        Decision tasks of higher ``priority`` (-2^31 … 2^31-1, default 0) are handed out first, as far as SWF can.

        Cancelled or failed with :class:`swf.Ambiguous`, the execution may have been started.
        """
        try:
            return await self._service.start_workflow_execution(
                self._domain,
                workflow_id,
                signature.type,
                input=codec.encode(value, signature.input_type, field="input"),
                task_list=self._task_list,
                tags=tags,
                execution_timeout=signature.execution_timeout,
                decision_timeout=signature.decision_timeout,
                child_policy=signature.child_policy,
                priority=priority,
            )
        except swf.TypeDeprecated as error:
            error.add_note(f"{signature.name} {signature.version}: undeprecate the type, or start a new version")
            raise

    async def signal(
        self, workflow_id: str, signature: SignalSignature[In], value: In, *, run_id: str | None = None
    ) -> None:
        """Signal the open execution of ``workflow_id``; raises :class:`swf.UnknownResource` when there is none."""
        await self._service.signal_workflow_execution(
            self._domain,
            workflow_id,
            signature.name,
            run_id=run_id,
            input=codec.encode(value, signature.input_type, field="input"),
        )

    async def request_cancel(self, workflow_id: str, *, run_id: str | None = None) -> None:
        """Ask the open execution to cancel itself; raises :class:`swf.UnknownResource` when there is none."""
        await self._service.request_cancel_workflow_execution(self._domain, workflow_id, run_id=run_id)

    async def query(
        self,
        signature: WorkflowSignature[In, Out],
        workflow_id: str,
        type_: type[T],
        *,
        run_id: str | None = None,
    ) -> T:
        """What the execution published last, with ``flow.query`` or ``flow.set_state``: open or else the latest closed.

        Raises :class:`errors.NothingPublished` before its first decision, :class:`swf.UnknownResource` when there is
        no such execution, :class:`errors.PayloadMismatch`.
        """
        if run_id is None:
            run_id = await self._latest(signature, workflow_id)
        execution = swf.Execution(workflow_id, run_id)
        detail = await self._service.describe_workflow_execution(self._domain, execution)
        if detail.latest_execution_context is None:
            raise errors.NothingPublished(f"{workflow_id} has not published anything yet")
        return codec.decode(detail.latest_execution_context, type_)

    async def _latest(self, signature: WorkflowSignature[In, Out], workflow_id: str) -> str:
        for listing in (self._service.list_open_workflow_executions, self._service.list_closed_workflow_executions):
            listed = await listing(self._domain, workflow_id=workflow_id)
            found = [info for info in listed if info.workflow_type.name == signature.name]
            if found:
                return max(found, key=lambda info: info.start_timestamp).execution.run_id
        raise swf.UnknownResource(f"no execution {workflow_id} of {signature.name}")

    async def result(
        self,
        signature: WorkflowSignature[In, Out],
        execution: swf.Execution,
        *,
        deadline_s: float,
        clock: clocks.Clock | None = None,
    ) -> Out:
        """Wait at most ``deadline_s`` seconds for the run to close and give its result.

        Raises :class:`errors.WorkflowFailed`, :class:`errors.WorkflowClosed` (cancelled, terminated, timed out or
        continued as new), :class:`errors.StillRunning` at the deadline, :class:`swf.UnknownResource`. Retryable faults
        of SWF are waited out until the deadline. Cancellation leaves nothing behind.
        """
        clock = clock or clocks.SystemClock()
        deadline = clock.monotonic() + deadline_s
        pause_s = _FIRST_PAUSE_S
        while True:
            status = await self._close_status(execution, last=clock.monotonic() >= deadline)
            if status is not None:
                return await self._outcome(signature, execution, status)
            left_s = deadline - clock.monotonic()
            if left_s <= 0:
                raise errors.StillRunning(f"{execution.workflow_id} is still running after {deadline_s} s")
            await clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * _PAUSE_FACTOR, _LONGEST_PAUSE_S)

    async def _close_status(self, execution: swf.Execution, *, last: bool) -> str | None:
        try:
            detail = await self._service.describe_workflow_execution(self._domain, execution)
        except roots.Retryable:
            if last:
                raise
            return None
        return detail.close_status

    async def _outcome(self, signature: WorkflowSignature[In, Out], execution: swf.Execution, status: str) -> Out:
        if status not in ("COMPLETED", "FAILED"):
            raise errors.WorkflowClosed(status)
        events = await self._service.get_workflow_execution_history(self._domain, execution, reverse=True, limit=1)
        attributes = events[0].attributes
        if status == "FAILED":
            raise errors.WorkflowFailed(str(attributes.get("reason", "")), _text(attributes.get("details")))
        return codec.decode(_text(attributes.get("result")), signature.output_type)


def _text(value: swf.Json) -> str | None:
    return value if isinstance(value, str) else None
