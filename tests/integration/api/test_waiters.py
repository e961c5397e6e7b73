"""botocore's three waiters end when what they wait for is so, and not before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from tests.integration.api.conftest import Elb, House

from elbflow import store

ONE, TWO = "10.0.0.1", "10.0.0.2"
SOON = {"Delay": 0.05, "MaxAttempts": 200}


def waiting(elb: Elb, name: str, *instances: str, **config: Any) -> asyncio.Task[None]:
    """A waiter at work; without instances it waits for all that are registered."""
    more = {"Instances": [{"InstanceId": one} for one in instances]} if instances else {}
    waiter = elb.boto.get_waiter(name)
    return asyncio.create_task(
        asyncio.to_thread(waiter.wait, LoadBalancerName="web", WaiterConfig=SOON | config, **more)
    )


async def report(house: House, instance_id: str, state: store.BackendState) -> None:
    """What a VM's report makes of an instance."""
    found = await house.load_balancer("web")
    assert found is not None
    async with house.db.transaction() as tx:
        await tx.backends.set_state(found.id, instance_id, state, reason_code="", description="", reported_at=1.0)


async def still(task: asyncio.Task[None]) -> bool:
    """Whether the task has not ended some attempts later."""
    await asyncio.sleep(0.2)
    return not task.done()


@pytest.fixture
async def two_instances(elb: Elb) -> None:
    await elb.create("web")
    await elb.register_instances_with_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": ONE}, {"InstanceId": TWO}]
    )


@pytest.mark.usefixtures("two_instances")
async def test_any_and_all_instances_in_service(house: House, elb: Elb) -> None:
    some, every = waiting(elb, "any_instance_in_service"), waiting(elb, "instance_in_service")
    assert await still(some)
    await report(house, ONE, store.BackendState.IN_SERVICE)
    await some
    assert await still(every)
    await report(house, TWO, store.BackendState.IN_SERVICE)
    await every


@pytest.mark.usefixtures("two_instances")
async def test_an_instance_is_deregistered(house: House, elb: Elb) -> None:
    await report(house, ONE, store.BackendState.IN_SERVICE)
    gone = waiting(elb, "instance_deregistered", ONE)
    assert await still(gone)
    await elb.deregister_instances_from_load_balancer(LoadBalancerName="web", Instances=[{"InstanceId": ONE}])
    await gone


@pytest.mark.usefixtures("two_instances")
async def test_what_does_not_exist_is_waited_for_and_counts_as_deregistered(elb: Elb) -> None:
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        await waiting(elb, "instance_in_service", "i-0000dead", MaxAttempts=2)
    await waiting(elb, "instance_deregistered", "i-0000dead")
