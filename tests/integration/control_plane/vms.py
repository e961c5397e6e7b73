"""An agent host whose VMs carry out the three VM activities in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from tests.unit.activities.agent_host import AgentHost

from elbflow import clock as clocks
from elbflow import flow, polling, swf
from elbflow.contract import names, vm_activities
from elbflow.contract.document import (
    Applied,
    HealthReport,
    InstanceHealth,
    InstanceState,
    ListenerProblem,
    LoadBalancerDocument,
    MetricsReport,
)
from elbflow_agent import ipc
from elbflow_agent.worker import VmActivities

LONGEST_SILENCE_S = 45 * 60.0


async def _nothing() -> None:
    """By default nobody looks."""


class Vm:
    """One VM: applies what it is given, reports the health it is told, counts nothing."""

    def __init__(self, clock: clocks.Clock) -> None:
        self.applied: list[LoadBalancerDocument] = []
        self.health: dict[str, InstanceState] = {}
        self.problems: tuple[ListenerProblem, ...] = ()
        self.broken = False
        self.before_applying: Callable[[], Awaitable[None]] = _nothing
        self.is_used = True
        self._clock = clock
        self._version = 0
        self._changed = asyncio.Condition()
        self._sequence = 0
        self._ended = asyncio.Event()

    def end(self) -> None:
        """The VM is terminated: what it carries out fails."""
        self._ended.set()

    def registry(self) -> flow.ActivityRegistry:
        registry = flow.ActivityRegistry()
        worker = VmActivities("", self, self._clock)  # type: ignore[arg-type]
        registry.bind(vm_activities.set_load_balancer, worker.set_load_balancer)
        registry.bind(vm_activities.set_load_balancer_part, worker.set_load_balancer_part)
        registry.bind(vm_activities.get_instance_status, self._status)
        registry.bind(vm_activities.get_cloudwatch_metrics, self._metrics)
        return registry

    async def have(self, *problems: ListenerProblem) -> None:
        """The VM's listeners have these problems."""
        async with self._changed:
            self.problems = problems
            self._version += 1
            self._changed.notify_all()

    async def see(self, **states: InstanceState) -> None:
        """The VM's probes find these states."""
        async with self._changed:
            self.health |= {name.replace("_", "-"): state for name, state in states.items()}
            self._version += 1
            self._changed.notify_all()

    async def call(
        self, instance_id: str, method: ipc.Method[Any, Any], document: LoadBalancerDocument, *, within_s: float
    ) -> Applied:
        """The servo's side of the agent's worker."""
        await self.before_applying()
        if self.broken:
            raise ConnectionError("HAProxy is gone")
        self.applied.append(document)
        return Applied(document.generation, document.content_hash(), self.problems)

    async def _status(self, known_digest: str) -> HealthReport:
        await self._first(self._news(known_digest), self._clock.sleep(LONGEST_SILENCE_S))
        health = tuple(InstanceHealth(one, state) for one, state in self.health.items())
        return HealthReport(self._digest(), health, self.problems)

    async def _news(self, known: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._digest() != known)

    async def _metrics(self, period_s: float, acknowledge: int) -> MetricsReport:
        await self._first(self._clock.sleep(period_s if self.is_used else 4 * period_s))
        self._sequence += 1
        counters = (("RequestCount", 1.0), ("Latency", 20.0)) if self.is_used else ()
        return MetricsReport(self._sequence, period_s, counters)

    async def _first(self, *events: Coroutine[Any, Any, None]) -> None:
        """Wait for one of the events, or fail when the VM is terminated."""
        waiting = [asyncio.ensure_future(event) for event in (*events, self._until_ended())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self._ended.is_set():
            raise ConnectionError("the VM is terminated")

    async def _until_ended(self) -> None:
        await self._ended.wait()

    def _digest(self) -> str:
        return f"v{self._version}"


class VmHost:
    """The HTTP side of the agent host, and its VMs by instance id."""

    def __init__(
        self, http: AgentHost, service: swf.Service, scheduler: polling.Scheduler, clock: clocks.Clock
    ) -> None:
        self.http = http
        self.vms: dict[str, Vm] = {}
        self._service = service
        self._scheduler = scheduler
        self._clock = clock
        self._stacks: dict[str, AsyncExitStack] = {}
        http.on_launch = self._launch
        http.on_terminate = self._terminate

    def of(self, load_balancer: str) -> list[Vm]:
        return [self.vms[one] for one in self.http.of(load_balancer)]

    async def crash(self, instance_id: str) -> None:
        """The VM disappears without anybody asking for it."""
        self.http.vms.pop(instance_id)
        await self._terminate(instance_id)

    async def close(self) -> None:
        for instance_id in list(self._stacks):
            await self._terminate(instance_id)

    async def _launch(self, instance_id: str) -> None:
        self.vms[instance_id] = Vm(self._clock)
        self._stacks[instance_id] = AsyncExitStack()
        worker = flow.ActivityWorker(
            self._service,
            self._scheduler,
            domain=names.DOMAIN,
            task_list=instance_id,
            registry=self.vms[instance_id].registry(),
            identity=instance_id,
            slots=4,
            max_polls=1,
            lane_class="vm",
            clock=self._clock,
        )
        await self._stacks[instance_id].enter_async_context(worker)

    async def _terminate(self, instance_id: str) -> None:
        self.vms.pop(instance_id).end()
        await self._stacks.pop(instance_id).aclose()
