"""The whole control plane in one process: engine, decider, activities, store, agent host."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.integration.control_plane.vms import VmHost
from tests.unit.activities.agent_host import TOKEN, agent_host

from elbflow import clock as clocks
from elbflow import flow, polling, store, swf
from elbflow.contract import document, names, workflows
from elbflow_activities import app as activities_app
from elbflow_activities.environment import Environment
from elbflow_activities.settings import ActivitiesSettings
from elbflow_decider import app as decider_app
from elbflow_decider.settings import DeciderSettings

KEY = document.LoadBalancerKey("000000000001", "web")
LISTENER = document.Listener(document.Protocol.HTTP, 80, document.Protocol.HTTP, 8000)
UPDATE_S = 40.0

In = TypeVar("In")


@dataclass
class Stack:
    """A running control plane, and the part of the API that tests need: rows first, then the workflow."""

    service: swf.Service
    scheduler: polling.Scheduler
    env: Environment
    host: VmHost
    clock: clocks.Clock
    health_check_period_s: float
    client: flow.Client = field(init=False)
    decider: AsyncExitStack = field(default_factory=AsyncExitStack)
    activities: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.client = flow.Client(self.service, names.DOMAIN, names.TASK_LIST)

    # --- services --------------------------------------------------------------------------------------

    async def start_decider(self) -> None:
        settings = DeciderSettings(swf_endpoint="http://127.0.0.1:1")
        worker = decider_app.worker(self.service, self.scheduler, settings, clock=self.clock)
        await self.decider.enter_async_context(worker)

    async def start_activities(self) -> None:
        settings = _activities_settings("", "", health_check_period_s=self.health_check_period_s)
        worker = activities_app.worker(self.service, self.scheduler, settings, self.env)
        await self.activities.enter_async_context(worker)

    # --- what the API does -----------------------------------------------------------------------------

    async def write(
        self, *zones: str, key: document.LoadBalancerKey = KEY, listener: document.Listener = LISTENER
    ) -> store.LoadBalancer:
        """The rows of a new load balancer."""
        async with self.env.db.transaction() as tx:
            return await tx.load_balancers.create(
                store.LoadBalancer(
                    id=0,
                    key=key,
                    dns_name=f"{key.name}.lb.test",
                    scheme="internet-facing",
                    state=store.LoadBalancerState.PROVISIONING,
                    generation=1,
                    created_at=round(self.clock.now(), 3),
                    listeners=(listener,),
                    zones=tuple(store.Zone(zone, store.ZoneState.OUT_OF_SERVICE) for zone in zones),
                )
            )

    async def start_creation(self, lb: store.LoadBalancer) -> swf.Execution:
        zones = tuple(zone.name for zone in lb.zones)
        request = workflows.CreateLoadBalancerInput(lb.key, zones, tuple(one.port for one in lb.listeners))
        workflow_id = names.create_workflow_id(lb.key, lb.created_at)
        tags = names.workflow_tags(lb.key)
        run_id = await self.client.start(workflows.CREATE_LOAD_BALANCER, workflow_id, request, tags=tags)
        return swf.Execution(workflow_id, run_id)

    async def create(self, *zones: str, key: document.LoadBalancerKey = KEY) -> workflows.Outcome:
        execution = await self.start_creation(await self.write(*zones, key=key))
        return await self.client.result(workflows.CREATE_LOAD_BALANCER, execution, deadline_s=40)

    async def delete(self, key: document.LoadBalancerKey = KEY) -> workflows.Outcome:
        lb = await self.lb(key)
        async with self.env.db.transaction() as tx:
            await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.DELETING)
            await tx.load_balancers.bump_generation(lb.id)
        workflow_id = names.delete_workflow_id(key, lb.created_at)
        tags = names.workflow_tags(key)
        request = workflows.LoadBalancerInput(key)
        run_id = await self.client.start(workflows.DELETE_LOAD_BALANCER, workflow_id, request, tags=tags)
        execution = swf.Execution(workflow_id, run_id)
        return await self.client.result(workflows.DELETE_LOAD_BALANCER, execution, deadline_s=40)

    async def change(self, change: Callable[[store.Repositories, int], Awaitable[None]]) -> int:
        """Change rows, begin a generation, signal: as RegisterInstances and its like do."""
        lb = await self.lb()
        async with self.env.db.transaction() as tx:
            await change(tx, lb.id)
            generation = await tx.load_balancers.bump_generation(lb.id)
        await self.client.signal(names.update_workflow_id(KEY), workflows.UPDATE_IMMEDIATELY, generation)
        return generation

    async def run(
        self, signature: flow.WorkflowSignature[In, workflows.Outcome], kind: str, request: In
    ) -> workflows.Outcome:
        """A mutation that bumps the generation and waits for its workflow."""
        lb = await self.lb()
        async with self.env.db.transaction() as tx:
            generation = await tx.load_balancers.bump_generation(lb.id)
        workflow_id = f"{kind}-{KEY.account}-{KEY.name}-g{generation}"
        run_id = await self.client.start(signature, workflow_id, request, tags=names.workflow_tags(KEY))
        return await self.client.result(signature, swf.Execution(workflow_id, run_id), deadline_s=40)

    # --- looking ---------------------------------------------------------------------------------------

    async def lb(self, key: document.LoadBalancerKey = KEY) -> store.LoadBalancer:
        async with self.env.db.reading() as tx:
            return await tx.load_balancers.get(key)

    async def served(self, key: document.LoadBalancerKey = KEY) -> store.LoadBalancer:
        """The load balancer, once every VM has proved to serve its newest generation."""
        found: list[store.LoadBalancer] = []

        async def proved() -> bool:
            lb = await self.lb(key)
            found[:] = [lb]
            return lb.applied_generation == lb.generation and lb.generation > 0

        await until(proved)
        return found[0]

    async def open_ids(self) -> set[str]:
        return set(await self.env.executions.open_ids()) - {names.SERVICE_HEALTH_WORKFLOW_ID}

    async def row_counts(self) -> dict[str, int]:
        """Tables that have rows."""
        async with self.env.db.reading() as tx:
            return {table: count for table, count in (await tx.row_counts()).items() if count}


async def until(condition: Callable[[], Awaitable[bool]], deadline_s: float = UPDATE_S) -> None:
    """Wait for ``condition``; fails the test at the deadline."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def stack(
    directory: Path,
    service: swf.Service,
    clock: clocks.Clock,
    *,
    start: bool = True,
    health_check_period_s: float = 1.0,
) -> AsyncIterator[Stack]:
    """A control plane over ``service``. Without ``start`` the test starts decider and activities itself."""
    url = f"sqlite+aiosqlite:///{directory / 'store.sqlite'}"
    await store.migrate(url)
    token_file = directory / "token"
    token_file.touch(0o600)
    token_file.write_text(TOKEN)
    scheduler = polling.Scheduler(
        service,
        profile=polling.EndpointProfile.local(),
        budget=64,
        identity="test",
        clock=clock,
        rng=random.Random(3),
    )
    async with AsyncExitStack() as exits:
        await flow.register_types(service, names.DOMAIN, retention_days=1)
        host = VmHost(await exits.enter_async_context(agent_host()), service, scheduler, clock)
        settings = _activities_settings(url, host.http.url, str(token_file))
        env = await exits.enter_async_context(activities_app.environment(settings, service, clock=clock))
        await exits.enter_async_context(scheduler)  # drained before what its handlers use goes away
        exits.push_async_callback(host.close)
        made = Stack(service, scheduler, env, host, clock, health_check_period_s)
        exits.push_async_exit(made.activities)
        exits.push_async_exit(made.decider)
        if start:
            await made.start_activities()
            await made.start_decider()
        yield made


def _activities_settings(
    url: str, host_url: str, token_file: str | None = None, *, health_check_period_s: float = 1.0
) -> ActivitiesSettings:
    return ActivitiesSettings.model_validate(
        {
            "store_url": url,
            "agent_host_url": host_url,
            "agent_token_file": token_file,
            "swf_endpoint": "http://127.0.0.1:1",
            "zones": "a,b,c",
            "health_check_period_s": health_check_period_s,
        }
    )
