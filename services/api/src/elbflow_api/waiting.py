"""Waiting for workflows: calls that the original made synchronous answer the real outcome (spec/elb-control-plane 1.7).

No thread and no connection is held: a waiting call is a coroutine that asks SWF with growing pauses, bounded by a
deadline, and released at once when the process stops. Whoever repeats the call joins the same execution.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import structlog

from elbflow import clock as clocks
from elbflow import errors, flow, store, swf, tasks
from elbflow.contract import document, names, workflows
from elbflow_api import faults, metrics, outbox

log = structlog.get_logger()

In = TypeVar("In")
AnyOneShot: TypeAlias = flow.WorkflowSignature[Any, workflows.Outcome]

PROMPT_S = 1.0
"""How long a call waits for the delivery of its orders before it leaves them to the background."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_CLOCK_SKEW_S = 1.0
_COMPLETED = "COMPLETED"
_STILL_RUNNING = "The request is being carried out and has not finished yet. Repeat it to wait for its outcome."


@dataclass(frozen=True, slots=True)
class Running(Generic[In]):
    """An execution that is open now, and what it was started with; None for one of another type."""

    execution: swf.Execution
    signature: AnyOneShot
    value: In | None


class Workflows:
    """Delivers the orders of a change and waits for its workflow."""

    def __init__(
        self,
        *,
        service: swf.Service,
        domain: str,
        task_list: str,
        db: store.Store,
        clock: clocks.Clock,
        background: tasks.Supervisor,
        meters: metrics.Meters,
        stopping: asyncio.Event,
    ) -> None:
        self._service = service
        self._domain = domain
        self._client = flow.Client(service, domain, task_list)
        self._clock = clock
        self._background = background
        self._meters = meters
        self._stopping = stopping
        self.deliverer = outbox.Deliverer(self._client, service, domain, db, clock)

    async def announce(self, orders: Sequence[store.OutboxRow]) -> str | None:
        """Deliver orders in their order; returns the run id of the first start.

        After :data:`PROMPT_S` seconds, or when SWF cannot take them now, they are left to the background: they are
        committed and will be delivered. Cancellation leaves them to the background too.
        """
        delivery = self._background.start(self._deliver(orders), "deliver-orders")
        await asyncio.wait({delivery}, timeout=PROMPT_S)
        return delivery.result() if delivery.done() else None

    async def outcome(
        self,
        signature: flow.WorkflowSignature[In, workflows.Outcome],
        workflow_id: str,
        *,
        run_id: str | None = None,
        not_before: float = 0.0,
        deadline: float,
    ) -> workflows.Outcome:
        """Wait until an execution ends, whoever started it or is about to start it, and give its outcome.

        Without ``run_id`` it is the open execution of the id, or else the last one that closed after ``not_before``
        (seconds since the epoch). An execution that ended without an outcome (timed out, terminated) has FAILED.

        Raises the fault 503 at ``deadline`` (monotonic) and when the process stops; the workflow goes on, as it does
        after a cancellation.
        """
        began = self._clock.monotonic()
        waiting = asyncio.ensure_future(self._outcome(signature, workflow_id, run_id, deadline, not_before))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise faults.unavailable(_STILL_RUNNING)
            return waiting.result()
        finally:
            # What is cancelled here only asks SWF for news.
            waiting.cancel()
            stopping.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)
            self._meters.waited(signature.name, self._clock.monotonic() - began)

    async def running(
        self,
        signature: flow.WorkflowSignature[In, workflows.Outcome],
        key: document.LoadBalancerKey,
        against: Sequence[AnyOneShot] = (),
    ) -> list[Running[In]]:
        """The load balancer's open executions of one workflow type, and of those that are ``against`` it.

        Raises the fault 503 when SWF does not say.
        """
        tags = set(names.workflow_tags(key))
        rivals = {rival.type: rival for rival in against}
        found: list[Running[In]] = []
        try:
            opened = await self._service.list_open_workflow_executions(self._domain, tag=names.workflow_tags(key)[1])
            for info in opened:
                if not tags <= set(info.tags):
                    continue
                if info.workflow_type == signature.type:
                    value = await self._input(signature, info.execution)
                    found.append(Running(info.execution, signature, value))
                elif rival := rivals.get(info.workflow_type):
                    found.append(Running(info.execution, rival, None))
        except swf.UnknownResource:  # The domain is not registered yet, or the execution's history is gone.
            return found
        except errors.Retryable as error:
            raise self._unreachable(error) from error
        return found

    async def closed(
        self, signature: flow.WorkflowSignature[In, workflows.Outcome], key: document.LoadBalancerKey, since: float
    ) -> AsyncIterator[tuple[bool, In]]:
        """The load balancer's closed executions of a type that began after ``since``, newest first, and their input.

        Of each, whether it was cut off: timed out or terminated, it gave no outcome and undid nothing. The last one is
        the earliest that was. Raises the fault 503 when SWF does not say.
        """
        tags = set(names.workflow_tags(key))
        try:
            found = await self._service.list_closed_workflow_executions(self._domain, tag=names.workflow_tags(key)[1])
            ours = sorted(
                (
                    info
                    for info in found
                    if info.workflow_type == signature.type
                    and tags <= set(info.tags)
                    and info.start_timestamp >= since - _CLOCK_SKEW_S
                ),
                key=lambda info: info.start_timestamp,
            )
            while ours and ours[0].close_status == _COMPLETED:
                ours.pop(0)
            for info in reversed(ours):
                yield info.close_status != _COMPLETED, await self._input(signature, info.execution)
        except swf.UnknownResource:
            return
        except errors.Retryable as error:
            raise self._unreachable(error) from error

    async def _deliver(self, orders: Sequence[store.OutboxRow]) -> str | None:
        run_id: str | None = None
        for row in orders:
            try:
                started = await self.deliverer.deliver(row)
            except Exception as error:  # whatever it is, the row is still there, and a sweep will deliver it
                log.warning("order_not_delivered", order=row.name, workflow_id=row.workflow_id, error=repr(error))
                return run_id
            run_id = run_id or started
        return run_id

    async def _outcome(
        self,
        signature: flow.WorkflowSignature[In, workflows.Outcome],
        workflow_id: str,
        run_id: str | None,
        deadline: float,
        not_before: float,
    ) -> workflows.Outcome:
        if run_id is None:
            execution = await self._locate(workflow_id, deadline, not_before)
        else:
            execution = swf.Execution(workflow_id, run_id)
        left_s = max(0.0, deadline - self._clock.monotonic())
        try:
            return await self._client.result(signature, execution, deadline_s=left_s, clock=self._clock)
        except flow.StillRunning as error:
            raise faults.unavailable(_STILL_RUNNING) from error
        except errors.Retryable as error:
            raise self._unreachable(error) from error
        except (flow.WorkflowFailed, flow.WorkflowClosed, swf.UnknownResource) as error:
            log.error("workflow_without_outcome", workflow_id=workflow_id, error=repr(error))
            return workflows.Outcome(workflows.OutcomeState.FAILED, 500, f"The workflow gave no outcome: {error}")

    async def _locate(self, workflow_id: str, deadline: float, not_before: float) -> swf.Execution:
        """The newest execution of the id; waits until there is one, for its start may still be on its way."""
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await self._newest(workflow_id, not_before)
            if found is not None:
                return found
            if self._clock.monotonic() + pause_s >= deadline:
                raise faults.unavailable(_STILL_RUNNING)
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _newest(self, workflow_id: str, not_before: float) -> swf.Execution | None:
        try:
            infos = await self._service.list_open_workflow_executions(self._domain, workflow_id=workflow_id)
            if not infos:
                closed = await self._service.list_closed_workflow_executions(self._domain, workflow_id=workflow_id)
                infos = [info for info in closed if outbox.was_under_way(info, not_before)]
            if infos:
                return max(infos, key=lambda info: info.start_timestamp).execution
        except (errors.Retryable, swf.UnknownResource) as error:
            log.warning("workflow_not_located", workflow_id=workflow_id, error=repr(error))
        return None

    async def _input(self, signature: flow.WorkflowSignature[In, workflows.Outcome], execution: swf.Execution) -> In:
        events = await self._service.get_workflow_execution_history(self._domain, execution, limit=1)
        text = events[0].attributes.get("input")
        return flow.decode(text if isinstance(text, str) else None, signature.input_type)

    def _unreachable(self, error: Exception) -> Exception:
        log.warning("swf_unreachable", error=repr(error))
        return faults.unavailable("The workflow service cannot be reached now. Repeat the request.")
