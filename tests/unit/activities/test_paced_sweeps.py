"""Sweeps rest between load balancers, and the world moves on meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from tests.unit.activities.world import KEY, World

from elbflow import store
from elbflow.contract import activities, document
from elbflow_activities import changes
from elbflow_activities.cloud import base


def after_listing(world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[], Awaitable[object]]) -> None:
    """Let ``change`` happen when the sweep has listed the scaling groups."""
    listed = world.env.cloud.scaling_groups

    async def then_change() -> Sequence[base.ScalingGroup]:
        found = await listed()
        await change()
        return found

    monkeypatch.setattr(world.env.cloud, "scaling_groups", then_change)


async def test_a_vm_launched_while_a_sweep_walks_is_not_taken_for_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lb = await world.create_active("a")

    async def launch() -> None:
        await world.clock.advance(1)
        async with world.env.db.transaction() as tx:
            new = store.Vm("i-new", "a", "127.0.0.9", store.VmState.IN_SERVICE, launched_at=world.clock.now())
            await tx.vms.save(lb.id, new)

    after_listing(world, monkeypatch, launch)
    await world.do(activities.check_vms)
    assert {vm.state for vm in (await world.lb()).vms} == {store.VmState.IN_SERVICE}


async def test_a_vm_that_went_while_a_sweep_walks_does_not_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.create_active("a", "b")

    async def disable_zone() -> None:
        await world.do(activities.disable_zones_retire_vms, KEY, ("b",))
        await world.do(activities.disable_zones_scale_in, KEY, ("b",))
        gone = [vm.instance_id for vm in (await world.lb()).vms if vm.zone == "b"]
        async with world.env.db.transaction() as tx:
            await tx.vms.remove(gone)

    after_listing(world, monkeypatch, disable_zone)
    await world.do(activities.check_vms)
    assert [vm.zone for vm in (await world.lb()).vms] == ["a"]


async def test_a_vm_that_came_into_service_while_a_sweep_walks_stays_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.host.state_of_new_vms = "pending"
    await world.create_active("a")

    async def come_into_service() -> None:
        for vm in world.host.vms.values():
            vm["state"] = "running"
        (row,) = (await world.lb()).vms
        await world.do(activities.record_applied, KEY, row.instance_id, document.Applied(1, "hash"))

    after_listing(world, monkeypatch, come_into_service)
    await world.do(activities.check_vms)
    assert [vm.state for vm in (await world.lb()).vms] == [store.VmState.IN_SERVICE]


async def test_a_vm_that_was_missing_for_a_moment_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create_active("a")
    listed = world.env.cloud.scaling_groups

    async def without_vms() -> Sequence[base.ScalingGroup]:
        return [replace(group, vms=()) for group in await listed()]

    monkeypatch.setattr(world.env.cloud, "scaling_groups", without_vms)
    await world.do(activities.check_vms)
    assert [vm.state for vm in (await world.lb()).vms] == [store.VmState.IN_SERVICE]


async def test_all_rests_of_a_sweep_together_leave_it_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await world.create(key=replace(KEY, name=f"lb-{number}"))
    rests = []

    async def sleep(delay_s: float) -> None:
        rests.append(delay_s)

    monkeypatch.setattr(world.clock, "sleep", sleep)
    monkeypatch.setattr(changes, "BATCH", 1)
    monkeypatch.setattr(changes, "LONGEST_REST_S", 100.0)
    async for _ in changes.everything(world.env):
        await world.clock.advance(30)
    assert rests == [100, 80, 0, 0, 0]


async def test_a_sweep_rests_longer_than_it_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(changes.BATCH + 1):
        await world.create(key=replace(KEY, name=f"lb-{number}"))
    rests = []

    async def sleep(delay_s: float) -> None:
        rests.append(delay_s)

    monkeypatch.setattr(world.clock, "sleep", sleep)
    walked = 0
    async for _ in changes.everything(world.env):
        walked += 1
        if walked == changes.BATCH:
            await world.clock.advance(0.1)
    assert walked == changes.BATCH + 1
    assert rests == [pytest.approx(0.1 * changes.REST)]
