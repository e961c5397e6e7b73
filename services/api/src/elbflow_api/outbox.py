"""Delivery of orders: at once by the API that wrote them, later by any API when that one died (design section 6)."""

from __future__ import annotations

from typing import Any

import structlog

from elbflow import clock as clocks
from elbflow import errors, flow, store, swf
from elbflow.contract import workflows

log = structlog.get_logger()

LATE_AFTER_S = 2.0
"""An order older than this has lost the API that wrote it, or that API cannot reach SWF."""

_SWEEP_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_PAGE = 100
_CLOCK_SKEW_S = 1.0

_STARTS: dict[str, flow.WorkflowSignature[Any, workflows.Outcome]] = {
    signature.name: signature
    for signature in (
        workflows.CREATE_LOAD_BALANCER,
        workflows.DELETE_LOAD_BALANCER,
        workflows.CREATE_LISTENERS,
        workflows.DELETE_LISTENERS,
        workflows.ENABLE_ZONE,
        workflows.DISABLE_ZONE,
        workflows.MODIFY_ATTRIBUTES,
    )
}
_SIGNALS: dict[str, flow.SignalSignature[Any]] = {
    signature.name: signature for signature in (workflows.UPDATE_IMMEDIATELY, workflows.POLL_IMMEDIATELY)
}


class UnknownOrder(errors.Defect):
    """An outbox row names a workflow or signal that this build does not know."""


class Deliverer:
    """Turns outbox rows into starts and signals, and removes what is delivered.

    A row is removed only after SWF has it, so a row may be delivered twice: a second start of a running execution is
    refused by SWF, one of a closed execution is found by :meth:`sweep`, and a second signal asks for a generation that
    is served already.
    """

    def __init__(
        self, client: flow.Client, service: swf.Service, domain: str, db: store.Store, clock: clocks.Clock
    ) -> None:
        self._client = client
        self._service = service
        self._domain = domain
        self._db = db
        self._clock = clock
        self._in_hand: set[int] = set()
        self._refused: set[int] = set()

    async def deliver(self, row: store.OutboxRow) -> str | None:
        """Deliver one row, then remove it. Returns the run id when this call started the execution.

        Raises the errors of :mod:`elbflow.swf`: the row stays and a later sweep tries again. So it does after a
        cancellation, even when SWF got the order.
        """
        self._in_hand.add(row.id)
        try:
            run_id = await self._send(row)
            async with self._db.transaction() as tx:
                await tx.outbox.remove(row.id)
        finally:
            self._in_hand.discard(row.id)
        return run_id

    async def sweep(self) -> int:
        """Deliver all late rows; returns how many. Raises :class:`errors.Retryable` when SWF cannot be reached.

        A row that SWF refuses is logged once and passed over: it must not hold up the others. It is tried again by
        the next sweep, for whatever is missing (a type that is not registered yet) may come.
        """
        delivered, after_id = 0, 0
        while True:
            async with self._db.reading() as tx:
                rows = await tx.outbox.older_than(self._clock.now() - LATE_AFTER_S, after_id=after_id, limit=_PAGE)
            for row in rows:
                delivered += await self._deliver_late(row)
                after_id = row.id
            if len(rows) < _PAGE:
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
        if row.id in self._in_hand:
            return False
        try:
            if await self._was_carried_out(row):
                async with self._db.transaction() as tx:
                    await tx.outbox.remove(row.id)
            else:
                await self.deliver(row)
        except (errors.Permanent, errors.Defect) as error:
            if row.id not in self._refused:
                log.error("order_refused", order=row.name, workflow_id=row.workflow_id, error=repr(error))
            self._refused.add(row.id)
            return False
        self._refused.discard(row.id)
        log.info("order_delivered_late", order=row.name, workflow_id=row.workflow_id)
        return True

    async def _was_carried_out(self, row: store.OutboxRow) -> bool:
        """Whether the API that wrote the row started the execution and died before it could remove the row."""
        if row.kind is not store.OutboxKind.START:
            return False
        closed = await self._service.list_closed_workflow_executions(self._domain, workflow_id=row.workflow_id)
        return any((info.close_timestamp or 0.0) >= row.created_at - _CLOCK_SKEW_S for info in closed)

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
