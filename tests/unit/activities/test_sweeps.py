"""The service's health check: what it finds wrong and how that converges."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.activities.world import KEY, World, backend

from elbflow import store, swf
from elbflow.contract import activities, document, names
from elbflow.store import conditions
from elbflow_activities.cloud import base
from elbflow_activities.environment import Policy

DELETING = store.LoadBalancerState.DELETING
UP = document.InstanceState.IN_SERVICE


async def vm_of(world: World) -> store.Vm:
    (vm,) = [one for one in (await world.lb()).vms if one.state is store.VmState.IN_SERVICE]
    return vm


async def applied(world: World, generation: int | None = None) -> None:
    """All VMs prove the given generation, or the newest."""
    lb = await world.lb()
    for vm in lb.vms:
        proof = document.Applied(generation or lb.generation, "hash")
        await world.do(activities.record_applied, KEY, vm.instance_id, proof)


# --- workflows that should run -----------------------------------------------------------------------------------


async def test_dead_continuous_workflows_are_started_again(world: World) -> None:
    await world.create_active("a")
    await applied(world)
    assert await world.do(activities.run_continuous_workflows) == 1
    assert await world.open_ids() == set(names.continuous_workflow_ids(KEY))

    assert await world.do(activities.run_continuous_workflows) == 0

    await world.service.terminate_workflow_execution(names.DOMAIN, names.cloudwatch_workflow_id(KEY))
    assert await world.do(activities.run_continuous_workflows) == 1
    assert await world.open_ids() == set(names.continuous_workflow_ids(KEY))


async def test_vms_that_lag_are_configured_again(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    generation = (await world.lb()).generation

    await world.do(activities.run_continuous_workflows)
    assert await world.signals(names.update_workflow_id(KEY)) == [generation]

    await applied(world)
    await world.do(activities.run_continuous_workflows)
    assert await world.signals(names.update_workflow_id(KEY)) == [generation]


async def test_a_creation_that_runs_or_was_just_ordered_is_left_alone(world: World) -> None:
    lb = await world.create()
    assert await world.do(activities.run_continuous_workflows) == 0
    await world.env.executions.start_creation(lb)
    await world.clock.advance(90)
    assert await world.do(activities.run_continuous_workflows) == 0
    assert await world.open_ids() == {names.create_workflow_id(KEY, lb.created_at)}


async def test_a_creation_that_timed_out_is_begun_again_with_what_was_asked_for(world: World) -> None:
    lb = await world.create(zones=("a", "b"))
    workflow_id = names.create_workflow_id(KEY, lb.created_at)
    await world.env.executions.start_creation(lb)
    await world.clock.advance(301)
    assert await world.open_ids() == set()

    assert await world.do(activities.run_continuous_workflows) == 1

    (again,) = await world.service.list_open_workflow_executions(names.DOMAIN, workflow_id=workflow_id)
    history = await world.service.get_workflow_execution_history(names.DOMAIN, again.execution)
    assert '"zones":["a","b"],"ports":[80]' in str(history[0].attributes["input"])


async def test_a_creation_that_nobody_carries_out_becomes_a_deletion(world: World) -> None:
    lb = await world.create()
    await world.clock.advance(600)
    assert await world.do(activities.run_continuous_workflows) == 0
    await world.clock.advance(3600)

    assert await world.do(activities.run_continuous_workflows) == 1

    assert (await world.lb()).state is DELETING
    assert await world.open_ids() == {names.delete_workflow_id(KEY, lb.created_at)}


async def test_a_creation_that_ended_without_removing_its_row_becomes_a_deletion(world: World) -> None:
    lb = await world.create()
    workflow_id = names.create_workflow_id(KEY, lb.created_at)
    await world.env.executions.start_creation(lb)
    await _complete(world)
    await world.clock.advance(61)
    assert await world.env.executions.last_close_status(workflow_id) == "COMPLETED"

    await world.do(activities.run_continuous_workflows)

    assert (await world.lb()).state is DELETING
    assert await world.open_ids() == {names.delete_workflow_id(KEY, lb.created_at)}


async def test_an_unfinished_deletion_is_begun_again_once(world: World) -> None:
    lb = await world.create()
    await world.set_state(DELETING)

    assert await world.do(activities.run_continuous_workflows) == 1
    assert await world.do(activities.run_continuous_workflows) == 0
    assert await world.open_ids() == {names.delete_workflow_id(KEY, lb.created_at)}


async def test_a_rollback_that_runs_is_left_alone(world: World) -> None:
    lb = await world.create()
    await world.env.executions.start_creation(lb)
    await world.set_state(DELETING)
    assert await world.do(activities.run_continuous_workflows) == 0


async def _complete(world: World) -> None:
    """Decide the waiting execution: completed."""
    task_list = swf.TaskList(swf.TaskKind.DECISION, names.DOMAIN, names.TASK_LIST)
    task = await world.service.poll_for_decision_task(task_list, identity="test")
    assert task is not None
    await world.service.respond_decision_task_completed(
        task.token, [swf.Decision("CompleteWorkflowExecution", {"result": "{}"})]
    )


# --- load-balancer VMs -------------------------------------------------------------------------------------------


async def test_a_vm_that_died_is_replaced_and_its_row_forgotten(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    dead = await vm_of(world)
    del world.host.vms[dead.instance_id]

    await world.do(activities.check_vms)

    states = {vm.instance_id: vm.state for vm in (await world.lb()).vms}
    assert states.pop(dead.instance_id) is store.VmState.ERROR
    assert list(states.values()) == [store.VmState.IN_SERVICE]
    assert len(await world.signals(names.update_workflow_id(KEY))) == 1
    assert len(await world.signals(names.instance_status_workflow_id(KEY))) == 1

    await world.do(activities.cleanup_vms)
    assert {vm.instance_id for vm in (await world.lb()).vms} == set(world.host.vms)


async def test_a_pending_vm_gets_into_service_by_the_cloud_or_by_its_own_proof(world: World) -> None:
    world.host.state_of_new_vms = "pending"
    await world.create_active("a")
    (vm,) = (await world.lb()).vms
    assert vm.state is store.VmState.PENDING
    assert await world.do(activities.lookup_vms, KEY) == (activities.ServingVm(vm.instance_id),)

    world.host.vms[vm.instance_id]["state"] = "running"
    await world.do(activities.check_vms)
    assert (await vm_of(world)).instance_id == vm.instance_id

    async with world.env.db.transaction() as tx:
        await tx.vms.set_state([vm.instance_id], store.VmState.PENDING)
    await applied(world)
    assert (await vm_of(world)).instance_id == vm.instance_id


async def test_a_retired_vm_stays_retired_and_goes_when_it_is_terminated(world: World) -> None:
    await world.create_active("a", "b")
    await world.do(activities.disable_zones_retire_vms, KEY, ("b",))
    await world.do(activities.check_vms)
    assert sorted(vm.state.value for vm in (await world.lb()).vms) == ["InService", "Retired"]

    await world.do(activities.disable_zones_scale_in, KEY, ("b",))
    await world.do(activities.cleanup_vms)

    assert [vm.zone for vm in (await world.lb()).vms] == ["a"]


async def test_what_a_deleted_load_balancer_left_is_removed(world: World) -> None:
    await world.create_active("a")
    lb = await world.lb()
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.delete(lb.id)

    await world.do(activities.cleanup_vms)

    assert {table for table, rows in world.dump().items() if rows} == {"alembic_version"}


async def test_a_vm_with_too_many_failures_is_recycled(world: World) -> None:
    world.env = replace(world.env, policy=Policy(failures_to_recycle=3))
    await world.create_active("a")
    vm = await vm_of(world)
    for number in range(1, 4):
        await world.do(activities.recycle_failed_vms)
        assert vm.instance_id in world.host.vms
        await world.do(activities.record_vm_failure, KEY, vm.instance_id, "timed out", world.clock.now() + number)

    await world.do(activities.recycle_failed_vms)
    assert vm.instance_id not in world.host.vms
    await world.do(activities.check_vms)
    await world.do(activities.cleanup_vms)

    replaced = await vm_of(world)
    assert replaced.instance_id != vm.instance_id
    assert replaced.failures == 0


async def test_a_few_failures_are_forgiven_after_an_hour(world: World) -> None:
    await world.create_active("a")
    vm = await vm_of(world)
    await world.do(activities.record_vm_failure, KEY, vm.instance_id, "timed out", world.clock.now())

    await world.clock.advance(3599)
    await world.do(activities.recycle_failed_vms)
    assert (await vm_of(world)).failures == 1

    await world.clock.advance(2)
    await world.do(activities.recycle_failed_vms)
    assert ((await vm_of(world)).failures, (await vm_of(world)).failure_window_at) == (0, None)


async def test_recycling_can_be_switched_off(world: World) -> None:
    world.env = replace(world.env, policy=Policy(failures_to_recycle=0))
    await world.create_active("a")
    vm = await vm_of(world)
    async with world.env.db.transaction() as tx:
        await tx.vms.set_failures(vm.instance_id, 1000, world.clock.now())
    await world.do(activities.recycle_failed_vms)
    assert vm.instance_id in world.host.vms


# --- users' instances --------------------------------------------------------------------------------------------


async def place(world: World, phase: base.InstancePhase, address: str = "10.0.0.1", zone: str = "a") -> None:
    """The directory's entry of i-1."""
    async with world.env.db.transaction() as tx:
        await tx.instances.save(store.Instance(KEY.account, "i-1", address, zone, phase.value))


@pytest.mark.parametrize(
    ("phase", "condition"),
    [
        (base.InstancePhase.PENDING, conditions.REGISTERING),
        (base.InstancePhase.STOPPING, conditions.STOPPED),
        (base.InstancePhase.STOPPED, conditions.STOPPED),
        (base.InstancePhase.SHUTTING_DOWN, conditions.UNUSABLE),
    ],
)
async def test_the_clouds_word_about_an_instance(
    world: World, phase: base.InstancePhase, condition: conditions.Condition
) -> None:
    await world.create_active("a")
    await world.register(backend("i-1", "a", store.BackendState.IN_SERVICE, address="10.0.0.1"))
    await place(world, phase)

    await world.do(activities.check_backends)

    assert condition.describes(await world.backend("i-1"))


async def test_a_restarted_instance_waits_for_its_next_report_which_is_asked_for(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1", address="10.0.0.1"))
    await world.start_continuous()
    await place(world, base.InstancePhase.STOPPED)
    await world.do(activities.check_backends)

    await place(world, base.InstancePhase.RUNNING)
    await world.do(activities.check_backends)

    assert conditions.REGISTERING.describes(await world.backend("i-1"))
    assert await world.signals(names.instance_status_workflow_id(KEY)) == [None]


async def test_an_instance_of_a_zone_that_is_not_enabled_waits_for_its_zone(world: World) -> None:
    """Neither that it was stopped and runs again nor that no VM says anything of it is news."""
    await world.create_active("a")
    await world.register(backend("i-1", "b", description=conditions.ZONE_DISABLED.description, address="10.0.0.1"))
    for phase, condition in (
        (base.InstancePhase.RUNNING, conditions.ZONE_DISABLED),
        (base.InstancePhase.STOPPED, conditions.STOPPED),
        (base.InstancePhase.RUNNING, conditions.ZONE_DISABLED),
    ):
        await place(world, phase, zone="b")
        await world.clock.advance(1000)
        await world.do(activities.check_backends)
        assert condition.describes(await world.backend("i-1"))
    await world.do(activities.enable_zones_persist, KEY, ("b",))
    await world.do(activities.enable_zones_reset_backends, KEY, ("b",))
    assert conditions.REGISTERING.describes(await world.backend("i-1"))


async def test_a_terminated_instance_is_deregistered(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1", address="10.0.0.1"))
    await world.start_continuous()
    generation = (await world.lb()).generation
    await place(world, base.InstancePhase.TERMINATED)

    await world.do(activities.check_backends)

    assert (await world.lb()).backends == ()
    assert await world.signals(names.update_workflow_id(KEY)) == [generation + 1]


async def test_an_instance_that_moved_is_followed(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1", address="10.0.0.1"))
    generation = (await world.lb()).generation
    await place(world, base.InstancePhase.RUNNING, address="10.0.0.2")

    await world.do(activities.check_backends)

    assert (await world.backend("i-1")).address == "10.0.0.2"
    assert (await world.lb()).generation == generation + 1


async def test_silence_for_six_minutes_is_unreachable_and_a_sign_of_life_ends_it(world: World) -> None:
    await world.create_active("a")
    await world.register(backend("i-1", address="10.0.0.1", registered_at=world.clock.now()))
    await world.start_continuous()
    await place(world, base.InstancePhase.RUNNING)
    await world.clock.advance(360)
    await world.do(activities.check_backends)
    assert conditions.REGISTERING.describes(await world.backend("i-1"))

    await world.clock.advance(1)
    await world.do(activities.check_backends)
    assert conditions.UNREACHABLE.describes(await world.backend("i-1"))

    vm = await vm_of(world)
    metrics = activities.VmMetrics(vm.instance_id, document.MetricsReport(1, 60.0))
    await world.do(activities.put_cloudwatch_metrics, KEY, (metrics,))
    await world.do(activities.check_backends)
    assert conditions.REGISTERING.describes(await world.backend("i-1"))
    assert await world.signals(names.instance_status_workflow_id(KEY)) == [None]

    health = document.HealthReport("d", (document.InstanceHealth("i-1", UP),))
    await world.do(activities.update_instance_status, KEY, vm.instance_id, health)
    assert conditions.HEALTHY.describes(await world.backend("i-1"))


async def test_a_vm_that_only_has_nothing_new_to_say_keeps_its_instances_reachable(world: World) -> None:
    await world.create_active("a")
    vm = await vm_of(world)
    await world.register(backend("i-1", "a", store.BackendState.IN_SERVICE, registered_at=world.clock.now()))
    for sequence in range(1, 12):
        await world.clock.advance(60)
        metrics = activities.VmMetrics(vm.instance_id, document.MetricsReport(sequence, 60.0))
        await world.do(activities.put_cloudwatch_metrics, KEY, (metrics,))
        await world.do(activities.check_backends)
    assert (await world.backend("i-1")).state is store.BackendState.IN_SERVICE


async def test_instances_of_disabled_zones_and_stopped_ones_do_not_grow_stale(world: World) -> None:
    await world.create_active("a")
    disabled = backend("i-2", "b", description=conditions.ZONE_DISABLED.description)
    stopped = backend("i-3", reason_code="Instance", description=conditions.STOPPED.description)
    await world.register(disabled, stopped)
    before = (await world.lb()).backends
    await world.clock.advance(3600)

    await world.do(activities.check_backends)

    assert (await world.lb()).backends == before
