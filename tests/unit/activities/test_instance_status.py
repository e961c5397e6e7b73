"""Health reports: what of them counts, and whom a change concerns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.activities.world import KEY, World, backend

from elbflow import store
from elbflow.contract import activities, document, names
from elbflow.store import conditions

UP = document.InstanceState.IN_SERVICE
DOWN = document.InstanceState.OUT_OF_SERVICE
UNKNOWN = document.InstanceState.UNKNOWN


async def report(world: World, zone: str = "a", **states: document.InstanceState) -> Any:
    vm = next(vm for vm in (await world.lb()).vms if vm.zone == zone)
    health = tuple(document.InstanceHealth(one.replace("_", "-"), state) for one, state in states.items())
    return await world.do(
        activities.update_instance_status, KEY, vm.instance_id, document.HealthReport("digest", health)
    )


@pytest.mark.parametrize(("state", "condition"), [(UP, conditions.HEALTHY), (DOWN, conditions.UNHEALTHY)])
async def test_a_decided_state_becomes_the_row(
    world: World, state: document.InstanceState, condition: conditions.Condition
) -> None:
    await world.create_active("a")
    await world.register(backend("i-1"))
    await world.clock.advance(10)

    await report(world, i_1=state)

    row = await world.backend("i-1")
    assert condition.describes(row)
    assert row.reported_at == world.clock.now()
    assert (await world.lb()).vms[0].reported_at == world.clock.now()


async def test_undecided_foreign_stopped_and_unregistered_instances_are_not_touched(world: World) -> None:
    await world.create_active("a", "b")
    stopped = backend("i-stopped", "a", reason_code="Instance", description=conditions.STOPPED.description)
    await world.register(backend("i-unknown"), backend("i-foreign", "b"), stopped)
    before = (await world.lb()).backends

    await report(world, i_unknown=UNKNOWN, i_foreign=UP, i_stopped=UP, i_gone=UP)

    assert (await world.lb()).backends == before


async def test_a_bare_address_is_reported_on_by_any_zone(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(backend("10.0.0.9", None))

    vm = next(vm for vm in (await world.lb()).vms if vm.zone == "b")
    health = document.HealthReport("d", (document.InstanceHealth("10.0.0.9", UP),))
    await world.do(activities.update_instance_status, KEY, vm.instance_id, health)

    assert conditions.HEALTHY.describes(await world.backend("10.0.0.9"))


async def test_a_retired_vm_is_not_heard(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1"))
    await world.do(activities.disable_zones_retire_vms, KEY, ("a",))

    assert await report(world, i_1=UP) is False
    assert conditions.REGISTERING.describes(await world.backend("i-1"))


async def test_a_transition_inside_one_zone_concerns_no_vm(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1"), backend("i-2"))
    await world.start_continuous()
    generation = (await world.lb()).generation

    for state in (UP, DOWN, UP):
        assert await report(world, i_1=state) is False

    assert (await world.lb()).generation == generation
    assert await world.signals(names.update_workflow_id(KEY)) == []


async def test_losing_the_last_healthy_instance_of_a_zone_gives_it_those_of_others(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(backend("i-a"), backend("i-b", "b", store.BackendState.IN_SERVICE))
    await world.start_continuous()
    generation = (await world.lb()).generation

    assert await report(world, i_a=UP) is True  # zone a falls back no longer
    assert await report(world, i_a=UP) is False
    assert await report(world, i_a=DOWN) is True

    assert (await world.lb()).generation == generation + 2
    assert await world.signals(names.update_workflow_id(KEY)) == [generation + 1, generation + 2]
    assert await world.signals(names.instance_status_workflow_id(KEY)) == []


async def test_a_deleted_load_balancer_ends_the_poll(world: World) -> None:
    with pytest.raises(store.LoadBalancerMissing):
        await world.do(activities.update_instance_status, KEY, "i-x", document.HealthReport("d"))


async def test_problems_of_listeners_are_as_reported_last(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    (vm,) = (await world.lb()).vms
    problem = document.ListenerProblem(443, "certificate c has not been fetched yet")

    async def after(problems: tuple[document.ListenerProblem, ...] | None) -> tuple[document.ListenerProblem, ...]:
        said = document.HealthReport("d", problems=problems)
        await world.do(activities.update_instance_status, KEY, vm.instance_id, said)
        return (await world.lb()).vms[0].problems

    assert await after((problem,)) == (problem,)
    assert await after(None) == (problem,)  # an agent of an earlier build says nothing of them
    assert await after(()) == ()
    assert await world.signals(names.update_workflow_id(KEY)) == []


async def test_a_proof_that_contradicts_what_was_reported_has_the_vm_asked(world: World) -> None:
    """The problem may have ended between the proof and its way here."""
    await world.create_active("a")
    await world.start_continuous()
    (vm,) = (await world.lb()).vms
    proof = document.Applied(5, "five", (document.ListenerProblem(443, "port is in use by another process"),))

    await world.do(activities.record_applied, KEY, vm.instance_id, proof)
    await world.do(activities.record_applied, KEY, vm.instance_id, proof)

    assert await world.signals(names.instance_status_workflow_id(KEY)) == [None]
