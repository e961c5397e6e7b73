"""Delivery of orders: at once by the API that wrote them, later by any API when that one died (design section 6)."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from elbflow import clock as clocks
from elbflow import errors, flow, store, swf
from elbflow.contract import workflows

log = structlog.get_logger()

LATE_AFTER_S = 2.0
"""How long an order belongs to the API that wrote it. An older one has lost it, or that API cannot reach SWF."""

_MARGIN_S = 0.5
"""Of that, for requests that are on their way when its own time ends, and for clocks that differ."""

CLAIM_S = 10.0
"""How long an order belongs to the sweep that claimed it. One whose API dies in the middle of a sweep waits so long."""

_SEND_S = 8.0
"""What a sweep has for one order: it ends before the claim does, for nobody may send what may be another's."""

_SWEEP_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_PAGE = 100
_CLOCK_SKEW_S = 1.0
_NEWEST_EVENTS = 500
"""Far enough back for the seconds since an order was written."""

_STARTS: dict[str, flow.WorkflowSignature[Any, workflows.Outcome]] = {
    signature.name: signature
    for signature in (
        workflows.CREATE_LOAD_BALANCER,
        workflows.DELETE_LOAD_BALANCER,
        workflows.CREATE_LISTENERS,
        workflows.DELETE_LISTENERS,
        workflows.SET_CERTIFICATE,
        workflows.ENABLE_ZONE,
        workflows.DISABLE_ZONE,
        workflows.MODIFY_ATTRIBUTES,
        workflows.APPLY_SECURITY_GROUPS,
    )
}
_SIGNALS: dict[str, flow.SignalSignature[Any]] = {
    signature.name: signature for signature in (workflows.UPDATE_IMMEDIATELY, workflows.POLL_IMMEDIATELY)
}


class UnknownOrder(errors.Defect):
    """An outbox row names a workflow or signal that this build does not know."""


def was_under_way(closed: swf.ExecutionInfo, ordered_at: float) -> bool:
    """Whether a closed execution is what an order of ``ordered_at`` began, as far as clocks agree, or joined.

    One that had ended already is what the order repeats.
    """
    return closed.start_timestamp >= ordered_at - _CLOCK_SKEW_S or (closed.close_timestamp or 0.0) >= ordered_at


class Deliverer:
    """Turns outbox rows into starts and signals, and removes what is delivered.

    A row belongs to one API at a time and is removed only after SWF has it. Whoever takes over a row asks SWF first
    whether the API before got it that far, so an order is carried out once, whenever an API dies.
    """

    def __init__(
        self, client: flow.Client, service: swf.Service, domain: str, db: store.Store, clock: clocks.Clock
    ) -> None:
        self._client = client
        self._service = service
        self._domain = domain
        self._db = db
        self._clock = clock
        self._refused: set[int] = set()

    async def deliver(self, row: store.OutboxRow) -> str | None:
        """Deliver a row that this API has just written. Returns the run id when this call started the execution.

        Raises the errors of :mod:`elbflow.swf`, and ``TimeoutError`` when the order is no longer this API's own: the
        row stays and a later sweep tries again. So it does after a cancellation, even when SWF got the order.
        """
        left_s = row.created_at + LATE_AFTER_S - _MARGIN_S - self._clock.now()
        if left_s <= 0:
            raise TimeoutError
        async with asyncio.timeout(left_s):
            run_id = await self._send(row)
        await self._remove(row)
        return run_id

    async def sweep(self) -> int:
        """Deliver all late rows; returns how many. Raises :class:`errors.Retryable` when SWF cannot be reached.

        A row that SWF refuses is logged once and passed over: it must not hold up the others. It is tried again by
        the next sweep, for whatever is missing (a type that is not registered yet) may come.
        """
        delivered, after_id, seen = 0, 0, set[int]()
        while True:
            async with self._db.reading() as tx:
                rows = await tx.outbox.unclaimed(self._clock.now(), after_id=after_id, limit=_PAGE)
            for row in rows:
                delivered += await self._deliver_late(row)
                after_id = row.id
                seen.add(row.id)
            if len(rows) < _PAGE:
                self._refused &= seen  # another API may have got one through
                return delivered

    async def run(self) -> None:
        """Sweep until cancelled, more rarely while it fails."""
        pause_s = _SWEEP_PAUSE_S
        while True:
            await self._clock.sleep(pause_s)
            try:
                await self.sweep()
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) if self._refused else _SWEEP_PAUSE_S
            except Exception as error:  # SWF or the store is away: the rows stay, and this task must too
                log.warning("outbox_sweep_failed", error=repr(error), next_in_s=pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _deliver_late(self, row: store.OutboxRow) -> bool:
        until = self._clock.now() + CLAIM_S
        if not await self._claim(row, until):
            return False
        try:
            async with asyncio.timeout(_SEND_S):
                if not await self._was_delivered(row):
                    await self._send(row)
        except (errors.Permanent, errors.Defect, swf.LimitExceeded) as error:
            if row.id not in self._refused:
                log.error("order_refused", order=row.name, workflow_id=row.workflow_id, error=repr(error))
            self._refused.add(row.id)
            await self._release(row, until)
            return False
        except errors.Retryable:
            await self._release(row, until)
            raise
        await self._remove(row)
        self._refused.discard(row.id)
        log.info("order_delivered_late", order=row.name, workflow_id=row.workflow_id)
        return True

    async def _claim(self, row: store.OutboxRow, until: float) -> bool:
        async with self._db.transaction() as tx:
            return await tx.outbox.claim(row.id, now=until - CLAIM_S, until=until)

    async def _release(self, row: store.OutboxRow, until: float) -> None:
        async with self._db.transaction() as tx:
            await tx.outbox.release(row.id, until=until)

    async def _remove(self, row: store.OutboxRow) -> None:
        async with self._db.transaction() as tx:
            await tx.outbox.remove(row.id)

    async def _was_delivered(self, row: store.OutboxRow) -> bool:
        """Whether an API got the order to SWF and died before it could remove the row."""
        since = row.created_at - _CLOCK_SKEW_S
        # Open executions first: one that ends in between is then found among the closed ones.
        runs = await self._service.list_open_workflow_executions(self._domain, workflow_id=row.workflow_id)
        if runs and row.kind is store.OutboxKind.START:
            return True
        if not runs or any(run.start_timestamp >= since for run in runs):
            closed = await self._service.list_closed_workflow_executions(self._domain, workflow_id=row.workflow_id)
            runs = [*runs, *(run for run in closed if (run.close_timestamp or 0.0) >= since)]
        if row.kind is store.OutboxKind.START:
            return any(was_under_way(run, row.created_at) for run in runs)
        return any([await self._was_signalled(run.execution, row, since) for run in runs])

    async def _was_signalled(self, execution: swf.Execution, row: store.OutboxRow, since: float) -> bool:
        events = await self._service.get_workflow_execution_history(
            self._domain, execution, reverse=True, limit=_NEWEST_EVENTS
        )
        return any(
            event.type == "WorkflowExecutionSignaled"
            and event.timestamp >= since
            and (event.attributes.get("signalName"), event.attributes.get("input")) == (row.name, row.payload)
            for event in events
        )

    async def _send(self, row: store.OutboxRow) -> str | None:
        if row.kind is store.OutboxKind.SIGNAL:
            await self._signal(row)
            return None
        signature = _STARTS.get(row.name)
        if signature is None:
            raise UnknownOrder(row.name)
        value = flow.decode(row.payload, signature.input_type)
        try:
            return await self._client.start(signature, row.workflow_id, value, tags=row.tags)
        except swf.AlreadyStarted:
            return None

    async def _signal(self, row: store.OutboxRow) -> None:
        signature = _SIGNALS.get(row.name)
        if signature is None:
            raise UnknownOrder(row.name)
        try:
            await self._client.signal(row.workflow_id, signature, flow.decode(row.payload, signature.input_type))
        except swf.UnknownResource:
            # Not running: it looks up the desired state by itself when it starts.
            log.debug("signal_without_receiver", workflow_id=row.workflow_id, signal=row.name)
