"""Whatever dies, what was wanted comes true (design section 6)."""

from __future__ import annotations

import asyncio

from tests.integration.control_plane.stack import KEY, Stack, until
from tests.integration.control_plane.vms import Vm

from elbflow import store
from elbflow.contract import names, workflows


async def test_orders_given_while_no_service_runs_are_carried_out_later(stopped: Stack) -> None:
    await stopped.start_activities()
    execution = await stopped.start_creation(await stopped.write("a"))
    await asyncio.sleep(0.2)
    assert (await stopped.lb()).state is store.LoadBalancerState.PROVISIONING

    await stopped.start_decider()
    outcome = await stopped.client.result(workflows.CREATE_LOAD_BALANCER, execution, deadline_s=40)
    assert outcome.state is workflows.OutcomeState.SUCCESS
    await stopped.served()


async def test_a_decider_that_is_replaced_midway_loses_nothing(stack: Stack) -> None:
    execution = await stack.start_creation(await stack.write("a", "b", "c"))
    await until(lambda: _has_resources(stack))
    await stack.decider.aclose()
    await stack.start_decider()

    outcome = await stack.client.result(workflows.CREATE_LOAD_BALANCER, execution, deadline_s=40)
    assert outcome.state is workflows.OutcomeState.SUCCESS
    assert len((await stack.served()).vms) == 3


async def test_a_vm_that_dies_is_replaced_configured_and_forgotten(stack: Stack) -> None:
    await stack.create("a")
    (dead,) = (await stack.served()).vms

    await stack.host.crash(dead.instance_id)

    async def replaced() -> bool:
        lb = await stack.lb()
        ids = {vm.instance_id for vm in lb.vms}
        return dead.instance_id not in ids and len(ids) == 1 and lb.applied_generation == lb.generation

    await until(replaced)


async def test_terminated_workflows_come_back(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()
    for workflow_id in names.continuous_workflow_ids(KEY):
        await stack.service.terminate_workflow_execution(names.DOMAIN, workflow_id)

    async def running() -> bool:
        return await stack.open_ids() == set(names.continuous_workflow_ids(KEY))

    await until(running)


async def test_a_lost_signal_is_made_up_for(stack: Stack) -> None:
    await stack.create("a")
    lb = await stack.served()
    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.bump_generation(lb.id)

    assert (await stack.served()).generation == lb.generation + 1


async def test_a_terminated_deletion_is_finished(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()
    await stack.activities.aclose()
    lb = await stack.lb()
    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.DELETING)
    await stack.env.executions.start_deletion(lb)
    workflow_id = names.delete_workflow_id(KEY, lb.created_at)
    await stack.service.terminate_workflow_execution(names.DOMAIN, workflow_id)

    await stack.start_activities()

    async def gone() -> bool:
        return await stack.row_counts() == {} and await stack.open_ids() == set()

    await until(gone)
    assert stack.host.vms == {}


async def test_a_vm_that_refuses_delays_no_other(stack: Stack) -> None:
    await stack.create("a", "b")
    await stack.served()
    broken, healthy = stack.host.of("web")
    broken.broken = True

    async def change(tx: store.Repositories, lb_id: int) -> None:
        await tx.load_balancers.set_attributes(lb_id, (await stack.lb()).attributes)

    generation = await stack.change(change)
    await until(lambda: _serves(healthy, generation))
    assert (await stack.lb()).applied_generation < generation

    broken.broken = False
    assert (await stack.served()).generation == generation


async def _serves(vm: Vm, generation: int) -> bool:
    return vm.applied[-1].generation == generation


async def _has_resources(stack: Stack) -> bool:
    return bool((await stack.row_counts()).get("cloud_resources"))
