"""A load balancer in a VPC, from its creation to its deletion, with the workflows and activities that serve it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.control_plane import stack as stacks
from tests.integration.control_plane.stack import KEY, Stack

from elbflow import clock as clocks
from elbflow import store, swf
from elbflow.contract import cloud, document, workflows
from elbflow.contract.workflows import Outcome, OutcomeState

SUCCESS = Outcome(OutcomeState.SUCCESS)
VPC = {
    "vpc_id": "vpc-1",
    "default": True,
    "subnets": {"subnet-a": "a", "subnet-b": "b"},
    "security_groups": {"sg-0": "default", "sg-1": "web"},
}
OWN = cloud.default_elb_group(KEY.account, "vpc-1")
WEB = document.SecurityGroup("sg-1", "web")


@pytest.fixture
async def stack(tmp_path: Path, service: swf.Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    monkeypatch.setenv("ELBFLOW_VPC", json.dumps(VPC))
    async with stacks.stack(tmp_path, service, clocks.SystemClock()) as made:
        yield made


async def create(stack: Stack) -> Outcome:
    """The rows as the API writes them, then the workflow."""
    async with stack.env.db.transaction() as tx:
        lb = await tx.load_balancers.create(
            store.LoadBalancer(
                id=0,
                key=KEY,
                dns_name="internal-web.lb.test",
                scheme="internal",
                state=store.LoadBalancerState.PROVISIONING,
                generation=1,
                created_at=round(stack.clock.now(), 3),
                listeners=(stacks.LISTENER,),
                zones=(store.Zone("a", store.ZoneState.OUT_OF_SERVICE, "subnet-a"),),
                vpc_id="vpc-1",
            )
        )
    execution = await stack.start_creation(lb)
    return await stack.client.result(workflows.CREATE_LOAD_BALANCER, execution, deadline_s=40)


async def groups(stack: Stack) -> dict[str, Any]:
    """Subnet and security groups of the VMs, by zone."""
    async with stack.env.db.reading() as tx:
        rows = await tx.cloud_resources.of_kind("scaling-group")
    return {str(row["zone"]): (row["subnet_id"], row["group_ids"]) for row in rows.values()}


async def test_from_creation_to_deletion(stack: Stack) -> None:
    assert await create(stack) == SUCCESS
    lb = await stack.served()
    assert (lb.subnets, lb.security_groups) == (("subnet-a",), (OWN,))
    assert await stack.env.cloud.open_ports(OWN.group_id) == (80,)

    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.set_subnets(lb.id, {"b": "subnet-b"})
    assert await stack.run(workflows.ENABLE_ZONE, "attach", workflows.ZonesInput(KEY, ("b",))) == SUCCESS
    request = workflows.SecurityGroupsInput(KEY, (WEB,))
    assert await stack.run(workflows.APPLY_SECURITY_GROUPS, "apply", request) == SUCCESS
    lb = await stack.served()
    assert (lb.subnets, lb.security_groups) == (("subnet-a", "subnet-b"), (WEB,))
    assert await groups(stack) == {"a": ("subnet-a", ["sg-1"]), "b": ("subnet-b", ["sg-1"])}

    assert await stack.delete() == SUCCESS
    # The group that the service made is the account's: the next load balancer uses it.
    async with stack.env.db.reading() as tx:
        left = await tx.cloud_resources.of_kind("security-group")
    assert set(left) == {OWN.group_id}
    assert await stack.row_counts() == {"cloud_resources": 1}


async def test_a_subnet_that_is_gone_is_not_attached(stack: Stack) -> None:
    assert await create(stack) == SUCCESS
    lb = await stack.served()
    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.set_subnets(lb.id, {"b": "subnet-gone"})
    outcome = await stack.run(workflows.ENABLE_ZONE, "attach", workflows.ZonesInput(KEY, ("b",)))
    assert outcome == Outcome(OutcomeState.FAILED, 400, "Subnet not found: subnet-gone")
    assert (await stack.lb()).subnets == ("subnet-a",)
    assert set(await groups(stack)) == {"a"}
