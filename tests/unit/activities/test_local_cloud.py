"""The local cloud's scaling groups and the agent host's API, also when either is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.activities.agent_host import TOKEN
from tests.unit.activities.world import KEY, World

from elbflow import store
from elbflow.contract import document
from elbflow_activities.cloud import base, host_client, local_groups
from elbflow_activities.cloud.local_vms import GroupRecord


def plan(capacity: int = 2) -> base.ScalingGroupPlan:
    return base.ScalingGroupPlan("group", KEY, "a", capacity, "profile", "security-group")


def numbered() -> Callable[[], str]:
    ids = iter(f"i-{number}" for number in range(100))
    return lambda: next(ids)


async def record(world: World) -> GroupRecord | None:
    found = (await world.resources(local_groups.KIND)).get("group")
    return GroupRecord.from_data(found) if found else None


# --- the agent host ----------------------------------------------------------------------------------------------


async def test_the_host_is_told_whose_vm_it_runs(world: World) -> None:
    async with host_client.HostClient.open(world.host.url, TOKEN) as client:
        vm = await client.launch("i-1", zone="a", key=KEY)
        assert (vm.instance_id, vm.zone, vm.state) == ("i-1", "a", "running")
        assert world.host.vms["i-1"]["account"] == KEY.account
        assert world.host.vms["i-1"]["load_balancer"] == KEY.name
        assert await client.vms() == {"i-1": vm}
        assert await client.vm("i-1") == vm
        assert await client.vm("i-2") is None
        await client.terminate("i-1")
        await client.terminate("i-1")
        assert await client.vms() == {}


async def test_transient_refusals_are_repeated(world: World) -> None:
    world.host.refuse, world.host.refuse_times = 503, 2
    async with host_client.HostClient.open(world.host.url, TOKEN) as client:
        assert await client.vms() == {}
    assert world.host.requests == [("GET", "/vms")] * 3


async def test_a_host_that_stays_away_is_unavailable(world: World) -> None:
    world.host.refuse = 500
    async with host_client.HostClient.open(world.host.url, TOKEN) as client:
        with pytest.raises(base.CloudUnavailable, match="500"):
            await client.vms()
    async with host_client.HostClient.open("http://127.0.0.1:9", TOKEN) as client:
        with pytest.raises(base.CloudUnavailable, match="does not answer"):
            await client.vms()


async def test_a_wrong_token_is_not_repeated(world: World) -> None:
    async with host_client.HostClient.open(world.host.url, "wrong") as client:
        with pytest.raises(host_client.HostRefused, match="401"):
            await client.vms()
    assert len(world.host.requests) == 1


# --- the record, pure --------------------------------------------------------------------------------------------


def test_growing_keeps_members_and_shrinking_dooms_the_youngest() -> None:
    new_id = numbered()
    grown = GroupRecord.planned(plan(2), None, new_id)
    assert grown.members == {"i-0": False, "i-1": False}
    settled = grown.settled({"i-0", "i-1"}, ())
    bigger = settled.resized(3, new_id)
    assert bigger.members == {"i-0": True, "i-1": True, "i-2": False}
    smaller = bigger.resized(1, new_id)
    assert smaller.members == {"i-0": True}
    assert smaller.doomed == ("i-1", "i-2")


def test_repair_replaces_what_ran_and_is_gone_and_what_failed() -> None:
    new_id = numbered()
    before = GroupRecord.planned(plan(3), None, new_id).settled({"i-0", "i-1"}, ())
    after = before.repaired(running={"i-1"}, failed={"i-1"}, new_id=new_id)
    assert after.members == {"i-2": False, "i-3": False, "i-4": False}  # i-2 is still to be launched
    assert set(after.doomed) == {"i-0", "i-1"}


def test_a_group_that_comes_back_is_not_deleted_any_more() -> None:
    new_id = numbered()
    deleted = GroupRecord.planned(plan(1), None, new_id).deleted()
    assert (deleted.deleting, deleted.doomed, deleted.members) == (True, ("i-0",), {})
    again = GroupRecord.planned(plan(1), deleted, new_id)
    assert (again.deleting, again.doomed, again.members) == (False, ("i-0",), {"i-1": False})


def test_a_record_survives_json() -> None:
    made = GroupRecord.planned(plan(2), None, numbered()).without("i-0")
    assert GroupRecord.from_data(made.to_data()) == made


# --- the record and the host -------------------------------------------------------------------------------------


async def test_an_interrupted_launch_is_finished_under_the_same_ids(world: World) -> None:
    world.host.refuse = 500
    with pytest.raises(base.CloudUnavailable):
        await world.env.cloud.ensure_scaling_group(plan())
    written = await record(world)
    assert written is not None
    assert len(written.unlaunched) == 2

    world.host.refuse = None
    group = await world.env.cloud.ensure_scaling_group(plan())

    assert {vm.instance_id for vm in group.vms} == set(world.host.vms) == set(written.members)


async def test_a_partly_launched_group_keeps_what_it_has(world: World) -> None:
    launched = asyncio.Event()

    async def fail_the_second(instance_id: str) -> None:
        if launched.is_set():
            world.host.refuse = 500
        launched.set()

    world.host.on_launch = fail_the_second
    with pytest.raises(base.CloudUnavailable):
        await world.env.cloud.ensure_scaling_group(plan(4))
    first = set(world.host.vms)

    world.host.refuse = None
    world.host.on_launch = None
    group = await world.env.cloud.ensure_scaling_group(plan(4))

    assert first <= {vm.instance_id for vm in group.vms}
    assert len(world.host.vms) == 4


async def test_a_single_group_is_shown_as_it_is_now(world: World) -> None:
    assert await world.env.cloud.scaling_group("group") is None
    group = await world.env.cloud.ensure_scaling_group(plan())
    assert await world.env.cloud.scaling_group("group") == group
    del world.host.vms[group.vms[0].instance_id]
    assert await world.env.cloud.scaling_group("group") == replace(group, vms=group.vms[1:])


async def test_two_processes_launch_no_more_than_the_capacity(world: World) -> None:
    await asyncio.gather(*(world.env.cloud.ensure_scaling_group(plan(2)) for _ in range(4)))
    assert len(world.host.vms) == 2


async def test_a_vm_that_died_is_replaced_by_another(world: World) -> None:
    group = await world.env.cloud.ensure_scaling_group(plan())
    dead = group.vms[0].instance_id
    del world.host.vms[dead]

    await world.env.cloud.maintain_scaling_groups()

    members = {vm.instance_id for vm in (await world.env.cloud.scaling_groups())[0].vms}
    assert dead not in members
    assert members == set(world.host.vms)
    assert len(members) == 2


async def test_a_failed_vm_is_terminated_and_replaced(world: World) -> None:
    group = await world.env.cloud.ensure_scaling_group(plan(1))
    failed = group.vms[0].instance_id
    world.host.vms[failed]["state"] = "failed"

    await world.env.cloud.maintain_scaling_groups()

    assert failed not in world.host.vms
    assert len(world.host.vms) == 1


async def test_a_vm_that_no_group_knows_is_ended(world: World) -> None:
    await world.env.cloud.ensure_scaling_group(plan(1))
    async with host_client.HostClient.open(world.host.url, TOKEN) as client:
        await client.launch("i-stray", zone="a", key=document.LoadBalancerKey("1", "other"))

    await world.env.cloud.maintain_scaling_groups()

    assert "i-stray" not in world.host.vms
    assert len(world.host.vms) == 1


async def test_a_vm_that_finishes_its_connections_is_left_alone(world: World) -> None:
    """It was terminated, and is there until its last connection ends: no group knows it, and none gets it back."""
    await world.env.cloud.ensure_scaling_group(plan(1))
    async with host_client.HostClient.open(world.host.url, TOKEN) as client:
        await client.launch("i-draining", zone="a", key=document.LoadBalancerKey("1", "web"))
    world.host.vms["i-draining"]["state"] = "draining"
    world.host.requests.clear()

    await world.env.cloud.maintain_scaling_groups()

    assert world.host.requests == [("GET", "/vms")]
    assert "i-draining" in await world.env.cloud.existing_vms()


async def test_nothing_is_replaced_while_the_host_does_not_answer(world: World) -> None:
    await world.env.cloud.ensure_scaling_group(plan())
    before = await record(world)
    world.host.refuse = 500
    with pytest.raises(base.CloudUnavailable):
        await world.env.cloud.maintain_scaling_groups()
    assert await record(world) == before


async def test_an_interrupted_deletion_is_finished_by_maintenance(world: World) -> None:
    await world.env.cloud.ensure_scaling_group(plan())
    world.host.refuse = 500
    with pytest.raises(base.CloudUnavailable):
        await world.env.cloud.delete_scaling_group("group")
    assert len(world.host.vms) == 2

    world.host.refuse = None
    await world.env.cloud.maintain_scaling_groups()

    assert world.host.vms == {}
    assert await record(world) is None


async def test_terminating_a_vm_leaves_its_replacement_to_maintenance(world: World) -> None:
    group = await world.env.cloud.ensure_scaling_group(plan(1))
    await world.env.cloud.terminate_vm(group.vms[0].instance_id)
    assert world.host.vms == {}
    await world.env.cloud.maintain_scaling_groups()
    assert len(world.host.vms) == 1


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("pending", base.VmPhase.PENDING),
        ("running", base.VmPhase.IN_SERVICE),
        ("stopping", base.VmPhase.TERMINATING),
        ("on fire", base.VmPhase.UNHEALTHY),
    ],
)
async def test_phases(world: World, state: str, phase: base.VmPhase) -> None:
    world.host.state_of_new_vms = state
    group = await world.env.cloud.ensure_scaling_group(plan(1))
    assert group.vms[0].phase is phase


# --- users' instances --------------------------------------------------------------------------------------------


async def test_the_directory_and_bare_addresses(world: World) -> None:
    async with world.env.db.transaction() as tx:
        await tx.instances.save(store.Instance(KEY.account, "i-1", "10.0.0.1", "a", "stopped"))
        await tx.instances.save(store.Instance("000000000002", "i-2", "10.0.0.2", "a"))

    found = await world.env.cloud.instances(KEY.account, ["i-1", "i-2", "10.0.0.9", "::1"])

    assert found == {
        "i-1": base.UserInstance("i-1", "10.0.0.1", "a", base.InstancePhase.STOPPED),
        "10.0.0.9": base.UserInstance("10.0.0.9", "10.0.0.9", None, base.InstancePhase.RUNNING),
        "::1": base.UserInstance("::1", "::1", None, base.InstancePhase.RUNNING),
    }
