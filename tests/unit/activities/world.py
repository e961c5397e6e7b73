"""What activities work on: a real store, a real local cloud, a fake agent host, SWF in process."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.unit.activities.agent_host import TOKEN, AgentHost, agent_host

from elbflow import clock as clocks
from elbflow import flow, store, swf
from elbflow.contract import activities, document, names, workflows
from elbflow.flow.activity_context import ActivityContext, enter
from elbflow_activities import registry
from elbflow_activities.cloud import host_client, local
from elbflow_activities.environment import Environment
from elbflow_activities.executions import Executions
from elbflow_engine.testing import SwfDouble

KEY = document.LoadBalancerKey("000000000001", "web")
ZONES = ("a", "b", "c")
P = document.Protocol
LISTENER = document.Listener(P.HTTP, 80, P.HTTP, 8000)
CERTIFICATE = "arn:aws:iam::000000000001:server-certificate/shop"
SIGNALLED: Any = int | None  # a generation, or nothing
CONTINUOUS = (workflows.UPDATE_LOAD_BALANCER, workflows.POLL_INSTANCE_STATUS, workflows.PUT_CLOUDWATCH_METRIC)


@dataclass
class World:
    """Everything an activity can see, and shortcuts to prepare and look at it."""

    env: Environment
    host: AgentHost
    clock: clocks.ManualClock
    service: SwfDouble
    file: Path

    # --- doing -----------------------------------------------------------------------------------------

    async def do(self, activity: flow.Activity[..., Any], *arguments: Any, workflow_id: str | None = None) -> Any:
        """Carry out an activity as a worker would, arguments and result encoded on the way.

        It belongs to the execution that deletes the load balancer of its key, unless ``workflow_id`` names another.
        """
        workflow_id = workflow_id or await self._deletion(*arguments[:1])
        binding = registry.bind(self.env).find(activity.type)
        assert binding is not None
        task = swf.ActivityTask(
            "token", "1", activity.type, swf.Execution(workflow_id, "run-1"), 1, activity.encode_arguments(*arguments)
        )
        context = ActivityContext(self.service, task, self.clock)
        work = binding.implementation(*activity.decode_arguments(task.input))
        result = await asyncio.create_task(_awaited(work), context=enter(context))
        return activity.decode_result(activity.encode_result(result))

    async def _deletion(self, key: Any = None) -> str:
        async with self.env.db.reading() as tx:
            lb = await tx.load_balancers.find(key) if isinstance(key, document.LoadBalancerKey) else None
        return names.delete_workflow_id(lb.key, lb.created_at) if lb is not None else "test"

    async def create(
        self,
        *,
        state: store.LoadBalancerState = store.LoadBalancerState.PROVISIONING,
        zones: tuple[str, ...] = ("a",),
        listeners: tuple[document.Listener, ...] = (LISTENER,),
        key: document.LoadBalancerKey = KEY,
    ) -> store.LoadBalancer:
        """The rows as the API writes them."""
        async with self.env.db.transaction() as tx:
            return await tx.load_balancers.create(
                store.LoadBalancer(
                    id=0,
                    key=key,
                    dns_name=f"{key.name}.lb.test",
                    scheme="internet-facing",
                    state=state,
                    generation=1,
                    created_at=self.clock.now(),
                    listeners=listeners,
                    zones=tuple(store.Zone(zone, store.ZoneState.OUT_OF_SERVICE) for zone in zones),
                )
            )

    async def create_active(self, *zones: str, key: document.LoadBalancerKey = KEY) -> store.LoadBalancer:
        """An active load balancer with its resources and VMs, made by the activities themselves."""
        enabled = zones or ("a",)
        await self.create(zones=enabled, key=key)
        await self.build(*enabled, key=key)
        await self.do(activities.create_load_balancer_commit, key)
        return await self.lb(key)

    async def build(self, *zones: str, key: document.LoadBalancerKey = KEY) -> None:
        role = await self.do(activities.iam_role_setup, key)
        profile = await self.do(activities.instance_profile_setup, key, role)
        await self.do(activities.iam_policy_setup, key, role)
        group = await self.do(activities.security_group_setup, key)
        await self.do(activities.listener_authorize_ingress, key, (80,))
        await self.do(activities.scaling_group_setup, key, profile, group.name, zones)
        await self.do(activities.enable_zones_persist, key, zones)

    async def register(self, *backends: store.Backend, key: document.LoadBalancerKey = KEY) -> None:
        lb = await self.lb(key)
        async with self.env.db.transaction() as tx:
            await tx.backends.add(lb.id, backends)

    async def set_state(self, state: store.LoadBalancerState, key: document.LoadBalancerKey = KEY) -> None:
        lb = await self.lb(key)
        async with self.env.db.transaction() as tx:
            await tx.load_balancers.set_state(lb.id, state)

    async def start_continuous(self, key: document.LoadBalancerKey = KEY) -> None:
        await self.env.executions.start_continuous(key)

    # --- looking ---------------------------------------------------------------------------------------

    async def lb(self, key: document.LoadBalancerKey = KEY) -> store.LoadBalancer:
        async with self.env.db.reading() as tx:
            return await tx.load_balancers.get(key)

    async def exists(self, key: document.LoadBalancerKey = KEY) -> bool:
        async with self.env.db.reading() as tx:
            return await tx.load_balancers.find(key) is not None

    async def backend(self, instance_id: str) -> store.Backend:
        return next(one for one in (await self.lb()).backends if one.instance_id == instance_id)

    async def resources(self, kind: str) -> dict[str, Any]:
        async with self.env.db.reading() as tx:
            return dict(await tx.cloud_resources.of_kind(kind))

    async def open_ids(self) -> set[str]:
        return set(await self.env.executions.open_ids())

    async def signals(self, workflow_id: str) -> list[Any]:
        """Values of the signals that the open execution of this id got."""
        found = await self.service.list_open_workflow_executions(names.DOMAIN, workflow_id=workflow_id)
        events = await self.service.get_workflow_execution_history(names.DOMAIN, found[0].execution)
        return [
            json.loads(str(event.attributes["input"])) for event in events if event.type == "WorkflowExecutionSignaled"
        ]

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables, and the host's VMs."""
        with closing(sqlite3.connect(self.file)) as connection:
            tables = [
                name
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if name != "sqlite_sequence"  # SQLite's own
            ]
            rows = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
        return {**rows, "host": sorted((one, repr(vm)) for one, vm in self.host.vms.items())}


def certificate() -> store.ServerCertificate:
    """The certificate with the ARN ``CERTIFICATE``, as an account uploads it."""
    return store.ServerCertificate(
        KEY.account, "shop", "/", "ASCASHOP", CERTIFICATE, "body", None, b"sealed", uploaded_at=0.0, expires_at=1e10
    )


def backend(
    instance_id: str,
    zone: str | None = "a",
    state: store.BackendState = store.BackendState.OUT_OF_SERVICE,
    **changes: Any,
) -> store.Backend:
    """A registered instance, waiting for its first health report unless told otherwise."""
    plain = store.Backend(
        instance_id,
        f"10.0.0.{sum(map(ord, instance_id)) % 250}",
        zone,
        state,
        "ELB",
        "Instance registration is still in progress.",
        registered_at=1_700_000_000.0,
    )
    return replace(plain, **changes)


async def _awaited(work: Any) -> Any:
    return await work


@asynccontextmanager
async def world(file: Path) -> AsyncIterator[World]:
    """A world over the migrated store in ``file``, on virtual time."""
    url = f"sqlite+aiosqlite:///{file}"
    clock = clocks.ManualClock()
    async with (
        agent_host() as host,
        SwfDouble(clock, random.Random(1)) as service,
        store.Store(url) as db,
        host_client.HostClient.open(host.url, TOKEN) as client,
    ):
        signatures = (*CONTINUOUS, workflows.CREATE_LOAD_BALANCER, workflows.DELETE_LOAD_BALANCER)
        await flow.register_types(
            service,
            names.DOMAIN,
            retention_days=1,
            workflows=(*signatures, workflows.SERVICE_HEALTH_CHECK),
            task_list=names.TASK_LIST,
        )
        env = Environment(
            db=db,
            cloud=local.LocalCloud(db, client, zones=ZONES, rng=random.Random(7)),
            executions=Executions(service, names.DOMAIN, names.TASK_LIST, clock),
            clock=clock,
        )
        yield World(env, host, clock, service, file)
