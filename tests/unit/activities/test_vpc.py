"""Load balancers in a VPC: where their VMs serve and which groups they carry (spec/elb-control-plane 5.3, 5.5, 5.7)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.unit.activities.world import KEY, ZONES, World

from elbflow import store
from elbflow.contract import activities, cloud, document, names
from elbflow_activities.cloud import base, local

VPC = cloud.DeclaredVpc(
    cloud.Vpc("vpc-1", default=True, internet_gateway=True),
    subnets={"subnet-a": "a", "subnet-b": "b"},
    security_groups={"sg-0": "default", "sg-1": "web", "sg-2": "db"},
)
WEB, DB = document.SecurityGroup("sg-1", "web"), document.SecurityGroup("sg-2", "db")
OWN = cloud.default_elb_group(KEY.account, "vpc-1")
GROUP_A, GROUP_B = names.scaling_group_name(KEY, "a"), names.scaling_group_name(KEY, "b")


@pytest.fixture
def vpc_world(world: World) -> World:
    """The world with a VPC."""
    host = world.env.cloud._host  # type: ignore[attr-defined]
    within = local.LocalCloud(world.env.db, host, zones=ZONES, rng=random.Random(7), vpc=VPC)
    world.env = replace(world.env, cloud=within)
    return world


async def create(world: World, *groups: document.SecurityGroup, subnets: dict[str, str] | None = None) -> None:
    subnets = subnets or {"a": "subnet-a"}
    state = store.ZoneState.OUT_OF_SERVICE
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.create(
            store.LoadBalancer(
                id=0,
                key=KEY,
                dns_name="internal-web.lb.test",
                scheme="internal",
                state=store.LoadBalancerState.PROVISIONING,
                generation=1,
                created_at=world.clock.now(),
                listeners=(document.Listener(document.Protocol.TCP, 25, document.Protocol.TCP, 2500),),
                zones=tuple(store.Zone(zone, state, subnet) for zone, subnet in subnets.items()),
                vpc_id="vpc-1",
                security_groups=groups,
            )
        )
    await world.build(*subnets)
    await world.do(activities.create_load_balancer_commit, KEY)


async def test_vms_serve_in_the_zones_subnet_with_the_load_balancers_groups(vpc_world: World) -> None:
    await create(vpc_world, WEB, subnets={"a": "subnet-a", "b": "subnet-b"})
    records = await vpc_world.resources("scaling-group")
    assert {name: (one["subnet_id"], one["group_ids"]) for name, one in records.items()} == {
        GROUP_A: ("subnet-a", ["sg-1"]),
        GROUP_B: ("subnet-b", ["sg-1"]),
    }
    assert (await vpc_world.lb()).subnets == ("subnet-a", "subnet-b")
    # The user's groups are the user's: none is made, and no port is opened.
    assert await vpc_world.resources("security-group") == {}


async def test_without_groups_it_gets_the_services_own_whose_ports_are_opened_once(vpc_world: World) -> None:
    await create(vpc_world)
    lb = await vpc_world.lb()
    assert lb.security_groups == (OWN,)
    made = await vpc_world.resources("security-group")
    assert {name: (one["vpc"], one["ports"]) for name, one in made.items()} == {OWN.group_id: ("vpc-1", [25])}
    assert (await vpc_world.resources("scaling-group"))[GROUP_A]["group_ids"] == [OWN.group_id]
    async with vpc_world.env.db.transaction() as tx:
        other = document.Listener(document.Protocol.TCP, 26, document.Protocol.TCP, 2500)
        await tx.load_balancers.add_listeners(lb.id, [other])
    assert await vpc_world.do(activities.listener_authorize_ingress, KEY, (26,)) == ()
    assert (await vpc_world.resources("security-group"))[OWN.group_id]["ports"] == [25]


async def test_the_services_own_group_outlives_a_load_balancer(vpc_world: World) -> None:
    await create(vpc_world)
    group = await vpc_world.do(activities.security_group_setup, KEY)
    assert group == activities.SecurityGroup(OWN.name, OWN.group_id, created=False)
    await vpc_world.do(activities.tag_creator, KEY, group)
    await vpc_world.do(activities.security_group_setup_rollback, KEY, group)
    await vpc_world.set_state(store.LoadBalancerState.DELETING)
    await vpc_world.do(activities.listener_revoke_ingress, KEY, ())
    await vpc_world.do(activities.delete_security_group, KEY)
    made = await vpc_world.resources("security-group")
    assert (made[OWN.group_id]["ports"], made[OWN.group_id]["tags"]) == ([25], {})


async def test_groups_are_applied_stored_and_put_back(vpc_world: World) -> None:
    await create(vpc_world, WEB)
    generation = (await vpc_world.lb()).generation
    await vpc_world.do(activities.apply_security_groups, KEY, (WEB, DB))
    assert (await vpc_world.resources("scaling-group"))[GROUP_A]["group_ids"] == ["sg-1", "sg-2"]
    await vpc_world.do(activities.apply_security_groups_rollback, KEY)
    assert (await vpc_world.resources("scaling-group"))[GROUP_A]["group_ids"] == ["sg-1"]
    assert await vpc_world.do(activities.persist_security_groups, KEY, (DB,)) == generation
    assert (await vpc_world.lb()).security_groups == (DB,)


async def test_a_subnet_that_is_gone_is_not_admitted(vpc_world: World) -> None:
    await create(vpc_world, WEB)
    lb = await vpc_world.lb()
    async with vpc_world.env.db.transaction() as tx:
        await tx.load_balancers.set_subnets(lb.id, {"b": "subnet-gone"})
    await vpc_world.do(activities.admission_control, KEY, ("a",))
    with pytest.raises(base.SubnetUnknown, match="subnet-gone"):
        await vpc_world.do(activities.admission_control, KEY, ("a", "b"))


async def test_every_mode_reaches_the_document(vpc_world: World) -> None:
    await create(vpc_world, WEB)
    strict = document.Attributes(desync_mitigation=document.DesyncMitigation.STRICTEST)
    await vpc_world.do(activities.persist_attributes, KEY, strict)
    (vm,) = (await vpc_world.lb()).vms
    shown = await vpc_world.do(activities.lookup_document, KEY, vm.instance_id)
    assert shown.attributes == strict
