"""State survives a restart of the whole stack."""

from __future__ import annotations

import asyncio
import json
from typing import Any

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
        assert await asyncio.to_thread(_planned, stack) == []
        planned = await asyncio.to_thread(_planned, stack, "--deregister", "i-lasting", "--idle-timeout", "90")
        assert {step["means"] for step in planned} == {"reload"}
        assert planned[0]["what"] == "idle timeout 60 s becomes 90 s"
    finally:
        await backend.stop()
        await asyncio.to_thread(stack.elb().delete_load_balancer, LoadBalancerName="lasting")


def _planned(stack: RunningStack, *words: str) -> list[dict[str, Any]]:
    """Steps that the load balancer's one VM would make."""
    (vm,) = json.loads(stack.run("plan", "lasting", *words, "--json").stdout)
    return list(vm["steps"])
