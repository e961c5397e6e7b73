"""The executions of load balancers as activities see them: what runs, what to start, signal and stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

import structlog

from elbflow import clock as clocks
from elbflow import errors, flow, store, swf
from elbflow.contract import document, names, workflows
from elbflow_activities import cut_off

log = structlog.get_logger()

In = TypeVar("In")
Out = TypeVar("Out")

CLOSE_WAIT_S = 15.0
TERMINATE_WAIT_S = 5.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

_CHANGES = frozenset(
    signature.type
    for signature in (
        workflows.CREATE_LISTENERS,
        workflows.DELETE_LISTENERS,
        workflows.SET_CERTIFICATE,
        workflows.ENABLE_ZONE,
        workflows.DISABLE_ZONE,
        workflows.MODIFY_ATTRIBUTES,
        workflows.APPLY_SECURITY_GROUPS,
    )
)


class StillOpen(errors.Retryable):
    """An execution does not close."""


class Executions:
    """Workflow executions of one domain."""

    def __init__(self, service: swf.Service, domain: str, task_list: str, clock: clocks.Clock) -> None:
        self._service = service
        self._domain = domain
        self._client = flow.Client(service, domain, task_list)
        self.cut_off = cut_off.CutOff(service, domain, self._client)
        self._clock = clock

    # --- what runs -------------------------------------------------------------------------------------

    async def open_ids(self) -> frozenset[str]:
        """Workflow ids of all open executions of the domain; may miss ones of the last seconds (SWF's listing)."""
        found = await self._service.list_open_workflow_executions(self._domain)
        return frozenset(one.execution.workflow_id for one in found)

    async def last_close_status(self, workflow_id: str) -> str | None:
        """How the newest closed execution of this id ended; None when there is none within the retention."""
        closed = await self._service.list_closed_workflow_executions(self._domain, workflow_id=workflow_id)
        newest = max(closed, key=lambda one: one.close_timestamp or 0.0, default=None)
        return newest.close_status if newest is not None else None

    # --- starting --------------------------------------------------------------------------------------

    async def start_continuous(self, key: document.LoadBalancerKey) -> None:
        """Start what should run as long as the load balancer lives, unless it runs."""
        request = workflows.LoadBalancerInput(key)
        for signature, workflow_id in zip(
            (workflows.UPDATE_LOAD_BALANCER, workflows.POLL_INSTANCE_STATUS, workflows.PUT_CLOUDWATCH_METRIC),
            names.continuous_workflow_ids(key),
            strict=True,
        ):
            await self._start(signature, workflow_id, request, key)

    async def start_creation(self, lb: store.LoadBalancer) -> None:
        """Create a load balancer as its rows ask for, unless that runs."""
        request = workflows.CreateLoadBalancerInput(
            lb.key,
            zones=tuple(zone.name for zone in lb.zones),
            ports=tuple(listener.port for listener in lb.listeners),
        )
        workflow_id = names.create_workflow_id(lb.key, lb.created_at)
        await self._start(workflows.CREATE_LOAD_BALANCER, workflow_id, request, lb.key)

    async def start_deletion(self, lb: store.LoadBalancer) -> None:
        """Delete a load balancer, unless that runs."""
        workflow_id = names.delete_workflow_id(lb.key, lb.created_at)
        request = workflows.LoadBalancerInput(lb.key)
        await self._start(workflows.DELETE_LOAD_BALANCER, workflow_id, request, lb.key)

    async def start_service_health(self, period_s: float) -> bool:
        """Start the health check of the service; False when it runs."""
        try:
            await self._client.start(
                workflows.SERVICE_HEALTH_CHECK,
                names.SERVICE_HEALTH_WORKFLOW_ID,
                workflows.ServiceHealthInput(period_s),
            )
        except swf.AlreadyStarted:
            return False
        return True

    async def _start(
        self,
        signature: flow.WorkflowSignature[In, Out],
        workflow_id: str,
        request: In,
        key: document.LoadBalancerKey,
    ) -> None:
        with contextlib.suppress(swf.AlreadyStarted):
            await self._client.start(signature, workflow_id, request, tags=names.workflow_tags(key))
            log.info("workflow_started", workflow_id=workflow_id)

    async def repeat_cut_off(self, lb: store.LoadBalancer, closed: cut_off.Closed) -> int:
        """Begin the load balancer's changes again that were cut off, unless it is being changed; how many."""
        tags = names.workflow_tags(lb.key)
        if not any(tags in one for one in (closed.of_listeners, closed.of_gone_listeners, closed.of_certificates)):
            return 0
        return 0 if await self._open_changes(lb.key) else await self.cut_off.again(lb, closed)

    # --- signalling ------------------------------------------------------------------------------------

    async def update_immediately(self, key: document.LoadBalancerKey, generation: int) -> None:
        """Have the VMs configured. An execution that does not run looks for itself when it is started."""
        with contextlib.suppress(swf.UnknownResource):
            await self._client.signal(names.update_workflow_id(key), workflows.UPDATE_IMMEDIATELY, generation)

    async def poll_immediately(self, key: document.LoadBalancerKey) -> None:
        """Have the set of VMs looked up, and all of them asked for their whole health report."""
        for workflow_id in (names.instance_status_workflow_id(key), names.cloudwatch_workflow_id(key)):
            with contextlib.suppress(swf.UnknownResource):
                await self._client.signal(workflow_id, workflows.POLL_IMMEDIATELY, None)

    # --- stopping --------------------------------------------------------------------------------------

    async def stop_all(self, key: document.LoadBalancerKey) -> None:
        """Cancel what works on the load balancer, its creation and deletion apart, and return when it is closed.

        What does not obey is terminated: nothing may be left that would work on the next load balancer of this name.
        Raises :class:`StillOpen` when even that did not close an execution within the deadline.
        """
        ids = (*names.continuous_workflow_ids(key), *await self._open_changes(key))
        for workflow_id in ids:
            with contextlib.suppress(swf.UnknownResource):
                await self._client.request_cancel(workflow_id)
        for stubborn in await self._await_closed(ids, CLOSE_WAIT_S):
            log.warning("workflow_terminated", workflow_id=stubborn)
            with contextlib.suppress(swf.UnknownResource):
                await self._service.terminate_workflow_execution(
                    self._domain, stubborn, reason="the load balancer is being deleted"
                )
        left = await self._await_closed(ids, TERMINATE_WAIT_S)
        if left:
            raise StillOpen(f"still open: {', '.join(left)}")

    async def _open_changes(self, key: document.LoadBalancerKey) -> tuple[str, ...]:
        """Ids of open one-shot executions that change the load balancer."""
        tags = names.workflow_tags(key)
        found = await self._service.list_open_workflow_executions(self._domain, tag=tags[1])
        return tuple(
            one.execution.workflow_id for one in found if one.workflow_type in _CHANGES and set(tags) <= set(one.tags)
        )

    async def _await_closed(self, ids: tuple[str, ...], wait_s: float) -> tuple[str, ...]:
        """Those of ``ids`` whose executions are still open after ``wait_s`` seconds."""
        deadline = self._clock.monotonic() + wait_s
        pause_s = _FIRST_PAUSE_S
        while left := await self._open_of(ids):
            if self._clock.monotonic() >= deadline:
                break
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return left

    async def _open_of(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        found = await asyncio.gather(
            *(self._service.list_open_workflow_executions(self._domain, workflow_id=one) for one in ids)
        )
        return tuple(one for one, executions in zip(ids, found, strict=True) if executions)
