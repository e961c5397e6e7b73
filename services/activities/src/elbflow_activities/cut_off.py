"""Changes of load balancers whose executions were cut off: they gave no outcome, and undid nothing of what is stored.

A listener would be shown whose port is not open, or a certificate that VMs may not fetch; the port of one that is gone
would be open. Begun again, the change is made or undone (spec/elb-control-plane 4.5, 4.6, 4.13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from elbflow import flow, store, swf
from elbflow.contract import names, workflows

log = structlog.get_logger()

In = TypeVar("In")

_COMPLETED = "COMPLETED"
_NEWEST = 200
"""Closed executions of a type that are looked through: those of the last rounds of the sweep, and more."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The newest closed changes, by type and by the tags of their load balancers, of those where some were cut off."""

    of_listeners: Mapping[tuple[str, ...], Sequence[swf.ExecutionInfo]]
    of_gone_listeners: Mapping[tuple[str, ...], Sequence[swf.ExecutionInfo]]
    of_certificates: Mapping[tuple[str, ...], Sequence[swf.ExecutionInfo]]


class CutOff:
    """Finds them in one domain and begins them again, under the same ids."""

    def __init__(self, service: swf.Service, domain: str, client: flow.Client) -> None:
        self._service = service
        self._domain = domain
        self._client = client

    async def closed(self) -> Closed:
        """What a sweep needs to know, in three requests."""
        return Closed(
            await self._newest(workflows.CREATE_LISTENERS),
            await self._newest(workflows.DELETE_LISTENERS),
            await self._newest(workflows.SET_CERTIFICATE),
        )

    async def again(self, lb: store.LoadBalancer, closed: Closed) -> int:
        """Begin the load balancer's changes again that were cut off last; how many. None of it may be changing now."""
        here = frozenset(listener.port for listener in lb.listeners)
        creations = await self._inputs(workflows.CREATE_LISTENERS, lb, closed.of_listeners)
        begun = await self._listeners(workflows.CREATE_LISTENERS, creations, lambda port: port in here)
        deletions = await self._inputs(workflows.DELETE_LISTENERS, lb, closed.of_gone_listeners)
        begun += await self._listeners(workflows.DELETE_LISTENERS, deletions, lambda port: port not in here)
        return begun + await self._certificates(lb, closed)

    async def _listeners(
        self,
        signature: flow.WorkflowSignature[workflows.ListenersInput, workflows.Outcome],
        closed: Iterable[tuple[swf.ExecutionInfo, workflows.ListenersInput]],
        concerns: Callable[[int], bool],
    ) -> int:
        begun, done = 0, set[int]()
        for info, value in closed:
            left = tuple(port for port in value.ports if port not in done and concerns(port))
            done.update(value.ports)
            if left and info.close_status != _COMPLETED:
                begun += await self._begin(signature, info, replace(value, ports=left))
        return begun

    async def _certificates(self, lb: store.LoadBalancer, closed: Closed) -> int:
        begun, done = 0, set[int]()
        for info, certificate in await self._inputs(workflows.SET_CERTIFICATE, lb, closed.of_certificates):
            listener = lb.listener_on(certificate.port)
            wanted = listener is not None and listener.certificate_arn == certificate.certificate_arn
            if wanted and certificate.port not in done and info.close_status != _COMPLETED:
                begun += await self._begin(workflows.SET_CERTIFICATE, info, certificate)
            done.add(certificate.port)
        return begun

    async def _newest(
        self, signature: flow.WorkflowSignature[In, workflows.Outcome]
    ) -> Mapping[tuple[str, ...], Sequence[swf.ExecutionInfo]]:
        try:
            found = await self._service.list_closed_workflow_executions(
                self._domain, workflow_type=signature.type, limit=_NEWEST
            )
        except swf.UnknownResource:  # No decider has registered the type yet.
            return {}
        concerned = {info.tags for info in found if info.close_status != _COMPLETED}
        newest = sorted(found, key=lambda info: info.start_timestamp, reverse=True)
        return {tags: [info for info in newest if info.tags == tags] for tags in concerned}

    async def _inputs(
        self,
        signature: flow.WorkflowSignature[In, workflows.Outcome],
        lb: store.LoadBalancer,
        closed: Mapping[tuple[str, ...], Sequence[swf.ExecutionInfo]],
    ) -> list[tuple[swf.ExecutionInfo, In]]:
        """The load balancer's executions of the type with what they were started with, the newest first."""
        ours = [info for info in closed.get(names.workflow_tags(lb.key), ()) if info.start_timestamp >= lb.created_at]
        while ours and ours[-1].close_status == _COMPLETED:
            ours.pop()
        return [(info, await self._input(signature, info.execution)) for info in ours]

    async def _input(self, signature: flow.WorkflowSignature[In, workflows.Outcome], execution: swf.Execution) -> In:
        events = await self._service.get_workflow_execution_history(self._domain, execution, limit=1)
        text = events[0].attributes.get("input")
        return flow.decode(text if isinstance(text, str) else None, signature.input_type)

    async def _begin(
        self, signature: flow.WorkflowSignature[In, workflows.Outcome], info: swf.ExecutionInfo, value: In
    ) -> bool:
        try:
            await self._client.start(signature, info.execution.workflow_id, value, tags=info.tags)
        except swf.AlreadyStarted:
            return False
        log.warning("change_repeated", workflow_id=info.execution.workflow_id, status=info.close_status)
        return True
