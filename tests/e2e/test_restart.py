"""State survives a restart of the whole stack."""

from __future__ import annotations

import asyncio

import pytest
from tests.e2e.stacks import RunningStack

from elbflow_standalone.demo import leftovers, traffic

pytestmark = pytest.mark.usefixtures("may_block")  # helpers that talk to the stack from the test's own loop


@pytest.mark.timeout(200)
async def test_load_balancers_come_back_and_serve_after_a_restart(stack: RunningStack) -> None:
    await asyncio.to_thread(stack.create, "lasting")
    backend = await asyncio.to_thread(stack.add_instance, "i-lasting", 2)
    await backend.start()
    try:
        stack.elb().register_instances_with_load_balancer(
            LoadBalancerName="lasting", Instances=[{"InstanceId": "i-lasting"}]
        )
        await asyncio.to_thread(stack.in_service, "lasting", "i-lasting")
        assert await asyncio.to_thread(stack.stop) == 0
        assert leftovers.haproxies(stack.where.agent_dir) == []
        assert not stack.ready_file.exists()
        await asyncio.to_thread(stack.start)
        address, ports = await asyncio.to_thread(stack.wait_served, "lasting")
        assert ports == [8080]
        await asyncio.to_thread(stack.in_service, "lasting", "i-lasting")
        tally = await traffic.send(address, 8080, clients=2, requests_each=10)
        assert tally.failures == []
        assert tally.by_backend["i-lasting"] == 20
    finally:
        await backend.stop()
        await asyncio.to_thread(stack.elb().delete_load_balancer, LoadBalancerName="lasting")
