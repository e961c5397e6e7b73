"""An API is killed (-9) at some moment of a change: the change is made wholly and ordered exactly once, or not at all.

The moments are those between which anything lasts: before the commit, between commit and delivery, after delivery and
before its answer, and before the delivered order is removed from the store. Each is one process and one load balancer;
three other APIs go on and look for lost orders at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import BotoCoreError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from tests.integration.api import processes
from tests.integration.api.conftest import ACCOUNT, BOTH, House, open_house

from elbflow.contract import document, names
from elbflow.store import tables

DATABASES = BOTH

START, SIGNAL = "StartWorkflowExecution", "SignalWorkflowExecution"
LISTENER = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2500}


@dataclass(frozen=True)
class Moment:
    """``operation`` of SWF that delivers the order; whether it got there when the API was killed.

    ``waits_for`` is the table with a row that the test keeps locked, so that the API gets so far and no further. In
    SQLite there are no locks of rows: there those moments are left out.
    """

    name: str
    operation: str
    delivered: bool
    waits_for: sa.Table | None = None


MOMENTS = (
    Moment("not-committed", START, delivered=False, waits_for=tables.load_balancers),
    Moment("start-not-sent", START, delivered=False),
    Moment("start-sent", START, delivered=True),
    Moment("start-answered", START, delivered=True, waits_for=tables.outbox),
    Moment("signal-not-sent", SIGNAL, delivered=False),
    Moment("signal-sent", SIGNAL, delivered=True),
)


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    async with open_house(store_url) as opened, opened.another_api(), opened.another_api():
        yield opened


async def test_an_order_is_delivered_once_whenever_its_api_is_killed(house: House) -> None:
    has_row_locks = house.settings.store_url.startswith("postgresql")
    moments = [moment for moment in MOMENTS if has_row_locks or moment.waits_for is None]
    for moment in moments:
        await house.elb.create(moment.name)
        await house.start_update(moment.name)
    async with contextlib.AsyncExitStack() as stack:
        engine = str(house.settings.swf_endpoint)
        gates = [processes.Gate(engine, hold=moment.operation, delivered=moment.delivered) for moment in moments]
        for gate in gates:
            await stack.enter_async_context(gate.serving())
        served = await stack.enter_async_context(processes.apis(house, *(gate.url for gate in gates)))
        await asyncio.gather(
            *(killed(house, moment, gate, api) for moment, gate, api in zip(moments, gates, served, strict=True))
        )
    await house.settled()
    # Whoever would deliver it a second time would do so at the next sweep.
    await asyncio.sleep(1.5)
    for moment in moments:
        await happened_once(house, moment)


async def killed(house: House, moment: Moment, gate: processes.Gate, api: processes.Api) -> None:
    """Begin a change at an API and kill that in the ``moment``; then do what clients do: call again, elsewhere."""
    async with asyncio.timeout(25), connected(house) as connection:
        if moment.waits_for is tables.load_balancers:
            await lock(connection, sa.select(tables.load_balancers).where(tables.load_balancers.c.name == moment.name))
        changing = asyncio.ensure_future(change(api.elb, moment))
        if moment.waits_for is not tables.load_balancers:
            await gate.held.wait()
        if moment.waits_for is tables.outbox:
            await lock(
                connection,
                sa.select(tables.outbox).where(
                    tables.outbox.c.name == "CreateLoadBalancerListeners",
                    tables.outbox.c.workflow_id.contains(moment.name),
                ),
            )
            gate.released.set()
        if moment.waits_for is not None:
            await somebody_waits(connection)
        await api.kill()
        with pytest.raises(BotoCoreError):
            await changing
    if moment.waits_for is tables.load_balancers:
        assert await house.generation(moment.name) == 1
    await change(house.elb, moment)


async def change(elb: Any, moment: Moment) -> None:
    if moment.operation == START:
        await elb.create_load_balancer_listeners(LoadBalancerName=moment.name, Listeners=[LISTENER])
    else:
        await elb.register_instances_with_load_balancer(
            LoadBalancerName=moment.name, Instances=[{"InstanceId": "10.0.0.1"}]
        )


async def happened_once(house: House, moment: Moment) -> None:
    found = await house.load_balancer(moment.name)
    assert found is not None
    assert found.generation == 2, moment
    key = document.LoadBalancerKey(ACCOUNT, moment.name)
    assert await house.pushed(moment.name) == [2], moment
    if moment.operation == START:
        closed = await house.swf.list_closed_workflow_executions(names.DOMAIN, tag=names.workflow_tags(key)[1])
        made = [info for info in closed if info.workflow_type.name == "CreateLoadBalancerListeners"]
        assert len(made) == 1, moment
        assert [listener.port for listener in found.listeners] == [25, 80]
    else:
        assert [backend.instance_id for backend in found.backends] == ["10.0.0.1"]


@contextlib.asynccontextmanager
async def connected(house: House) -> AsyncIterator[AsyncConnection]:
    """A transaction of the test's own, rolled back at the end."""
    engine = create_async_engine(house.settings.store_url)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def lock(connection: AsyncConnection, row: sa.Select[Any]) -> None:
    assert len((await connection.execute(row.with_for_update())).all()) == 1


async def somebody_waits(connection: AsyncConnection) -> None:
    """Return when somebody waits for a lock of this connection's transaction."""
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
    while not await connection.scalar(waiting):
        await asyncio.sleep(0.02)
