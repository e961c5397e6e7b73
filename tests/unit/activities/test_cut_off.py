"""Changes whose executions were timed out or terminated are begun again by the sweep, or left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.activities.world import CERTIFICATE, KEY, World

from elbflow import flow, store, swf
from elbflow.contract import activities, document, names, workflows

P = document.Protocol
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, names.DOMAIN, names.TASK_LIST)
TAGS = names.workflow_tags(KEY)
LISTENERS = tuple(document.Listener(P.TCP, port, P.TCP, port) for port in (25, 26))
HTTPS = document.Listener(P.HTTPS, 443, P.HTTP, 8000, CERTIFICATE)


@pytest.fixture(autouse=True)
async def _registered(world: World) -> None:
    for one in (workflows.CREATE_LISTENERS, workflows.DELETE_LISTENERS, workflows.SET_CERTIFICATE):
        await world.service.register_workflow_type(names.DOMAIN, one.type)


@pytest.fixture
async def world_with_listeners(world: World) -> World:
    lb = await world.create_active("a")
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.add_listeners(lb.id, [*LISTENERS, HTTPS])
    await world.clock.advance(5)
    return world


async def started(world: World, workflow_id: str, value: workflows.ListenersInput | workflows.CertificateInput) -> None:
    """Start what the id says: it begins with create, delete or set."""
    client = flow.Client(world.service, names.DOMAIN, names.TASK_LIST)
    if isinstance(value, workflows.ListenersInput) and workflow_id.startswith("delete"):
        await client.start(workflows.DELETE_LISTENERS, workflow_id, value, tags=TAGS)
    elif isinstance(value, workflows.ListenersInput):
        await client.start(workflows.CREATE_LISTENERS, workflow_id, value, tags=TAGS)
    else:
        await client.start(workflows.SET_CERTIFICATE, workflow_id, value, tags=TAGS)
    await world.clock.advance(1)


async def cut_off(world: World, workflow_id: str, value: workflows.ListenersInput | workflows.CertificateInput) -> None:
    await started(world, workflow_id, value)
    await world.service.terminate_workflow_execution(names.DOMAIN, workflow_id)
    await world.clock.advance(1)


async def completed(world: World, workflow_id: str, value: workflows.ListenersInput) -> None:
    await started(world, workflow_id, value)
    task = await world.service.poll_for_decision_task(DECISIONS, identity="test")
    assert task is not None
    decision = swf.Decision("CompleteWorkflowExecution", {})
    await world.service.respond_decision_task_completed(task.token, [decision])
    await world.clock.advance(1)


async def swept(world: World) -> dict[str, Sequence[int]]:
    """Ports of the changes that a sweep has begun again, by workflow id."""
    before = await world.open_ids()
    await world.do(activities.run_continuous_workflows)
    found: dict[str, Sequence[int]] = {}
    for info in await world.service.list_open_workflow_executions(names.DOMAIN, tag=TAGS[1]):
        if info.execution.workflow_id in before:
            continue
        assert set(info.tags) == set(TAGS)
        events = await world.service.get_workflow_execution_history(names.DOMAIN, info.execution, limit=1)
        text = str(events[0].attributes["input"])
        if info.workflow_type in (workflows.CREATE_LISTENERS.type, workflows.DELETE_LISTENERS.type):
            found[info.execution.workflow_id] = flow.decode(text, workflows.ListenersInput).ports
        if info.workflow_type == workflows.SET_CERTIFICATE.type:
            found[info.execution.workflow_id] = (flow.decode(text, workflows.CertificateInput).port,)
    return found


async def test_what_was_cut_off_is_begun_again_until_it_is_done(world_with_listeners: World) -> None:
    world = world_with_listeners
    await cut_off(world, "create-g2", workflows.ListenersInput(KEY, (25, 26)))
    await cut_off(world, "set-g3", workflows.CertificateInput(KEY, 443, CERTIFICATE, None))
    assert await swept(world) == {"create-g2": (25, 26), "set-g3": (443,)}
    assert await swept(world) == {}
    await world.service.terminate_workflow_execution(names.DOMAIN, "create-g2")
    assert await swept(world) == {}  # while the other one is under way
    await world.service.terminate_workflow_execution(names.DOMAIN, "set-g3")
    assert await swept(world) == {"create-g2": (25, 26), "set-g3": (443,)}


async def test_what_was_done_since_is_left_alone(world_with_listeners: World) -> None:
    world = world_with_listeners
    await cut_off(world, "create-g2", workflows.ListenersInput(KEY, (25, 26)))
    await completed(world, "create-g3", workflows.ListenersInput(KEY, (25,)))
    assert await swept(world) == {"create-g2": (26,)}


async def test_what_is_not_wanted_any_more_is_left_alone(world_with_listeners: World) -> None:
    world = world_with_listeners
    await cut_off(world, "create-g2", workflows.ListenersInput(KEY, (25,)))
    await cut_off(world, "set-g3", workflows.CertificateInput(KEY, 443, "arn:other", CERTIFICATE))
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.delete_listeners((await world.lb()).id, (25,))
    assert await swept(world) == {}


async def test_changes_of_an_earlier_load_balancer_of_the_name_are_left_alone(world: World) -> None:
    await world.create_active("a")
    await cut_off(world, "create-g2", workflows.ListenersInput(KEY, (80,)))
    await world.set_state(store.LoadBalancerState.DELETING)
    await world.do(activities.delete_load_balancer_remove, KEY)
    await world.clock.advance(5)
    await world.create_active("a")
    assert await swept(world) == {}


async def test_ports_of_listeners_that_are_gone_are_closed(world_with_listeners: World) -> None:
    world = world_with_listeners
    await cut_off(world, "delete-g2", workflows.ListenersInput(KEY, (25, 7, 8)))
    await completed(world, "delete-g3", workflows.ListenersInput(KEY, (8,)))
    assert await swept(world) == {"delete-g2": (7,)}
