"""Callers of workflows: start, signal, and wait for the outcome without holding anything but a timer."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import clock as clocks
from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors
from elbflow.flow.signatures import In, Out, SignalSignature, WorkflowSignature

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
        self, signature: WorkflowSignature[In, Out], workflow_id: str, value: In, *, tags: Sequence[str] = ()
    ) -> str:
        """Start an execution and return its run id; raises :class:`swf.AlreadyStarted`.

        Cancelled or failed with :class:`swf.Ambiguous`, the execution may have been started.
        """
        return await self._service.start_workflow_execution(
            self._domain,
            workflow_id,
            signature.type,
            input=codec.encode(value, signature.input_type),
            task_list=self._task_list,
            tags=tags,
            execution_timeout=signature.execution_timeout,
            decision_timeout=signature.decision_timeout,
            child_policy=signature.child_policy,
        )

    async def signal(
        self, workflow_id: str, signature: SignalSignature[In], value: In, *, run_id: str | None = None
    ) -> None:
        """Signal the open execution of ``workflow_id``; raises :class:`swf.UnknownResource` when there is none."""
        await self._service.signal_workflow_execution(
            self._domain,
            workflow_id,
            signature.name,
            run_id=run_id,
            input=codec.encode(value, signature.input_type),
        )

    async def request_cancel(self, workflow_id: str, *, run_id: str | None = None) -> None:
        """Ask the open execution to cancel itself; raises :class:`swf.UnknownResource` when there is none."""
        await self._service.request_cancel_workflow_execution(self._domain, workflow_id, run_id=run_id)

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
