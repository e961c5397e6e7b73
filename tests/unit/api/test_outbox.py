"""Orders reach SWF once it can take them, whoever is alive to bring them."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.api.conftest import ENABLE, KEY, ZONES, Desk

from elbflow import flow, store, swf
from elbflow.contract import names, workflows
from elbflow_api import outbox


async def test_a_start_is_delivered_and_its_row_removed(desk: Desk) -> None:
    row = await desk.order()
    run_id = await desk.workflows.deliverer.deliver(row)
    (info,) = await desk.opened()
    assert info.execution == swf.Execution("enable-1", str(run_id))
    assert info.workflow_type == ENABLE.type
    assert info.tags == names.workflow_tags(KEY)
    (started,) = await desk.swf.get_workflow_execution_history(names.DOMAIN, info.execution, limit=1)
    assert flow.decode(str(started.attributes["input"]), ENABLE.input_type) == ZONES
    assert await desk.rows() == 0


async def test_a_start_that_runs_already_counts_as_delivered(desk: Desk) -> None:
    await desk.workflows.deliverer.deliver(await desk.order())
    assert await desk.workflows.deliverer.deliver(await desk.order()) is None
    assert len(await desk.opened()) == 1
    assert await desk.rows() == 0


async def test_a_signal_is_delivered(desk: Desk) -> None:
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    update_id = names.update_workflow_id(KEY)
    run_id = await client.start(workflows.UPDATE_LOAD_BALANCER, update_id, workflows.LoadBalancerInput(KEY))
    await desk.workflows.deliverer.deliver(await desk.order_signal(7))
    events = await desk.swf.get_workflow_execution_history(names.DOMAIN, swf.Execution(update_id, run_id))
    (signal,) = [event for event in events if event.type == "WorkflowExecutionSignaled"]
    assert (signal.attributes["signalName"], signal.attributes["input"]) == ("updateImmediately", "7")
    assert await desk.rows() == 0


async def test_a_signal_without_receiver_counts_as_delivered(desk: Desk) -> None:
    await desk.workflows.deliverer.deliver(await desk.order_signal())
    assert await desk.rows() == 0


async def test_what_swf_cannot_take_stays(desk: Desk) -> None:
    row = await desk.order()
    desk.faults.active, desk.faults.refused = True, 1.0
    with pytest.raises(swf.ConnectFailed):
        await desk.workflows.deliverer.deliver(row)
    assert await desk.rows() == 1


async def test_a_sweep_leaves_young_rows_alone_and_delivers_late_ones(desk: Desk) -> None:
    await desk.order()
    assert await desk.workflows.deliverer.sweep() == 0
    await desk.clock.advance(outbox.LATE_AFTER_S + 0.1)
    assert await desk.workflows.deliverer.sweep() == 1
    assert len(await desk.opened()) == 1
    assert await desk.rows() == 0


async def test_a_sweep_does_not_repeat_what_was_carried_out(desk: Desk) -> None:
    """The API started the workflow and died before it removed the row; meanwhile the workflow has ended."""
    row = await desk.order()
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    await client.start(ENABLE, row.workflow_id, ZONES)
    await desk.conclude()
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 1
    assert await desk.opened() == []
    assert len(await desk.closed()) == 1
    assert await desk.rows() == 0


async def test_a_sweep_does_not_repeat_a_signal_that_was_received(desk: Desk) -> None:
    """The API signalled and died before it removed the row; a later signal says something else."""
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    update_id = names.update_workflow_id(KEY)
    run_id = await client.start(workflows.UPDATE_LOAD_BALANCER, update_id, workflows.LoadBalancerInput(KEY))
    await desk.clock.advance(5)
    await desk.order_signal(7)
    await client.signal(update_id, workflows.UPDATE_IMMEDIATELY, 7)
    await desk.order_signal(8)
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 2
    events = await desk.swf.get_workflow_execution_history(names.DOMAIN, swf.Execution(update_id, run_id))
    received = [event.attributes["input"] for event in events if event.type == "WorkflowExecutionSignaled"]
    assert received == ["7", "8"]
    assert await desk.rows() == 0


async def test_of_several_sweeps_at_once_one_delivers(desk: Desk) -> None:
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    others = [outbox.Deliverer(client, desk.swf, names.DOMAIN, desk.db, desk.clock) for _ in range(3)]
    for number in range(5):
        await desk.order(f"enable-{number}")
    await desk.clock.advance(5)
    delivered = await asyncio.gather(*(one.sweep() for one in others))
    assert sum(delivered) == 5
    assert len(await desk.opened()) == 5
    assert await desk.rows() == 0


async def test_an_order_claimed_by_an_api_that_died_is_taken_over_when_its_claim_ends(desk: Desk) -> None:
    row = await desk.order()
    await desk.clock.advance(5)
    async with desk.db.transaction() as tx:
        now = desk.clock.now()
        assert await tx.outbox.claim(row.id, now=now, until=now + outbox.CLAIM_S)
    assert await desk.workflows.deliverer.sweep() == 0
    await desk.clock.advance(outbox.CLAIM_S)
    assert await desk.workflows.deliverer.sweep() == 1
    assert len(await desk.opened()) == 1


async def test_who_wrote_an_order_does_not_deliver_it_once_others_may(desk: Desk) -> None:
    row = await desk.order()
    await desk.clock.advance(outbox.LATE_AFTER_S + 0.1)
    with pytest.raises(TimeoutError):
        await desk.workflows.deliverer.deliver(row)
    assert await desk.opened() == []
    assert await desk.rows() == 1


async def test_a_sweep_does_repeat_an_order_whose_id_was_used_earlier(desk: Desk) -> None:
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    await client.start(ENABLE, "enable-1", ZONES)
    await desk.conclude()
    await desk.clock.advance(10)
    await desk.order()
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 1
    assert len(await desk.opened()) == 1


async def test_a_sweep_does_repeat_an_order_of_what_failed_a_moment_before(desk: Desk) -> None:
    """As a deletion that is called again, under its one workflow id, right after it failed."""
    await desk.workflows.deliverer.deliver(await desk.order())
    await desk.clock.advance(2)
    await desk.conclude(workflows.Outcome(workflows.OutcomeState.FAILED, 500, "no room"))
    await desk.clock.advance(0.5)
    await desk.order()
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 1
    assert len(await desk.opened()) == 1


async def test_a_sweep_does_not_repeat_an_order_that_joined_a_run_which_has_ended_since(desk: Desk) -> None:
    await desk.workflows.deliverer.deliver(await desk.order())
    await desk.clock.advance(2)
    await desk.order()
    await desk.clock.advance(0.5)
    await desk.conclude()
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 1
    assert await desk.opened() == []


async def test_a_row_that_is_refused_does_not_hold_up_the_others(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        for name in (workflows.CREATE_LISTENERS.name, "NobodyKnowsThis"):
            await tx.outbox.add(
                store.OutboxKind.START,
                workflow_id="x",
                name=name,
                payload=flow.encode(workflows.ListenersInput(KEY, (80,)), workflows.ListenersInput),
                created_at=desk.clock.now(),
            )
    await desk.order()
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 1
    assert await desk.rows() == 2
    assert [info.execution.workflow_id for info in await desk.opened()] == ["enable-1"]


async def test_an_order_beyond_a_limit_of_swf_does_not_hold_up_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many executions are open: signals get through all the same, and the start does later."""
    await desk.order()
    await desk.order_signal(7)
    await desk.clock.advance(5)

    async def refuse(*_: object, **__: object) -> str:
        raise swf.LimitExceeded

    with monkeypatch.context() as full:
        full.setattr(desk.swf, "start_workflow_execution", refuse)
        assert await desk.workflows.deliverer.sweep() == 1
    assert await desk.rows() == 1
    assert await desk.workflows.deliverer.sweep() == 1
    assert len(await desk.opened()) == 1


async def test_sweeps_are_frequent_again_when_another_api_has_got_a_refused_order_through(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        row = await tx.outbox.add(
            store.OutboxKind.START, workflow_id="x", name="NobodyKnowsThis", payload="{}", created_at=desk.clock.now()
        )
    await desk.clock.advance(5)
    deliverer = desk.workflows.deliverer
    sweeping = asyncio.create_task(deliverer.run())

    async def slowed_down() -> None:
        while not deliverer._refused:
            await asyncio.sleep(0)

    await desk.drive(slowed_down(), step_s=0.5)
    async with desk.db.transaction() as tx:
        await tx.outbox.remove(row.id)
    assert await deliverer.sweep() == 0
    assert not deliverer._refused
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping


async def test_who_wrote_an_order_stops_delivering_it_a_moment_before_others_may(desk: Desk) -> None:
    """A request may be on its way when its time ends, and clocks differ."""
    row = await desk.order()
    await desk.clock.advance(outbox.LATE_AFTER_S - 0.1)
    with pytest.raises(TimeoutError):
        await desk.workflows.deliverer.deliver(row)
    assert await desk.workflows.deliverer.sweep() == 0
    assert await desk.opened() == []


async def test_more_rows_than_a_page(desk: Desk) -> None:
    for number in range(130):
        await desk.order(f"enable-{number}")
    await desk.clock.advance(5)
    assert await desk.workflows.deliverer.sweep() == 130
    assert len(await desk.opened()) == 130


async def test_the_background_goes_on_after_failures(desk: Desk) -> None:
    await desk.order()
    await desk.clock.advance(5)
    desk.faults.active, desk.faults.refused = True, 1.0
    sweeping = asyncio.create_task(desk.workflows.deliverer.run())
    for _ in range(20):
        await desk.clock.advance(0.5)
        await asyncio.sleep(0.005)
    assert await desk.rows() == 1
    desk.faults.active = False

    async def delivered() -> None:
        while await desk.rows():
            await asyncio.sleep(0)

    await desk.drive(delivered(), step_s=0.5)
    assert len(await desk.opened()) == 1
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping
