"""Waiting calls answer the workflow's real outcome, or 503 while there is none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.unit.api.conftest import ENABLE, KEY, ZONES, Desk

from elbflow import flow
from elbflow.contract import names, workflows
from elbflow_api import query

FAILED = workflows.Outcome(workflows.OutcomeState.FAILED, 400, "no room")


def wait(desk: Desk, *, seconds: float = 50.0, **more: Any) -> Coroutine[Any, Any, workflows.Outcome]:
    deadline = desk.clock.monotonic() + seconds
    return desk.workflows.outcome(ENABLE, "enable-1", deadline=deadline, **more)


async def test_the_outcome_of_what_was_just_started(desk: Desk) -> None:
    run_id = await desk.workflows.announce([await desk.order()])
    assert run_id is not None
    waiting = asyncio.ensure_future(desk.drive(wait(desk, run_id=run_id)))
    await desk.conclude(FAILED)
    assert await waiting == FAILED
    value = desk.registry.get_sample_value(
        "elbflow_api_workflow_wait_seconds_count", {"workflow": "EnableAvailabilityZone"}
    )
    assert value == 1


async def test_a_second_caller_joins_the_open_execution(desk: Desk) -> None:
    await desk.workflows.announce([await desk.order()])
    await desk.clock.advance(30)
    assert await desk.workflows.announce([await desk.order()]) is None
    waiting = asyncio.ensure_future(desk.drive(wait(desk, not_before=desk.clock.now())))
    await asyncio.sleep(0.01)
    await desk.conclude()
    assert (await waiting).state is workflows.OutcomeState.SUCCESS


async def test_the_outcome_of_an_execution_that_has_closed_meanwhile(desk: Desk) -> None:
    order = await desk.order()
    await desk.workflows.announce([order])
    await desk.conclude()
    await desk.clock.advance(20)
    outcome = await desk.drive(wait(desk, not_before=order.created_at))
    assert outcome.state is workflows.OutcomeState.SUCCESS


async def test_the_failure_of_a_moment_before_is_no_answer_to_the_repeated_call(desk: Desk) -> None:
    await desk.workflows.announce([await desk.order()])
    await desk.clock.advance(2)
    await desk.conclude(FAILED)
    await desk.clock.advance(0.5)
    with pytest.raises(query.Fault) as caught:
        await desk.drive(wait(desk, seconds=3.0, not_before=desk.clock.now()))
    assert caught.value.status == 503


async def test_an_earlier_execution_of_the_id_is_not_the_one(desk: Desk) -> None:
    await desk.workflows.announce([await desk.order()])
    await desk.conclude(FAILED)
    await desk.clock.advance(20)
    with pytest.raises(query.Fault) as caught:
        await desk.drive(wait(desk, seconds=3.0, not_before=desk.clock.now()))
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)


async def test_the_deadline(desk: Desk) -> None:
    run_id = await desk.workflows.announce([await desk.order()])
    began = desk.clock.monotonic()
    with pytest.raises(query.Fault) as caught:
        await desk.drive(wait(desk, seconds=2.0, run_id=run_id))
    assert (caught.value.code, caught.value.status) == ("ServiceUnavailable", 503)
    assert 2.0 <= desk.clock.monotonic() - began < 3.5
    assert len(await desk.opened()) == 1


async def test_a_start_that_is_still_on_its_way(desk: Desk) -> None:
    """SWF could not be reached when the call was made; the background delivers, and the call still waits."""
    desk.faults.active, desk.faults.refused = True, 1.0
    order = await desk.order()
    assert await desk.drive(desk.workflows.announce([order])) is None
    assert await desk.rows() == 1
    waiting = asyncio.ensure_future(desk.drive(wait(desk, not_before=order.created_at)))
    await asyncio.sleep(0.02)
    desk.faults.active = False
    await desk.workflows.deliverer.deliver(order)
    await desk.conclude()
    assert (await waiting).state is workflows.OutcomeState.SUCCESS


async def test_stopping_releases_waiting_calls_at_once(desk: Desk) -> None:
    run_id = await desk.workflows.announce([await desk.order()])
    waiting = asyncio.ensure_future(wait(desk, run_id=run_id))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    desk.stopping.set()
    with pytest.raises(query.Fault) as caught:
        await waiting
    assert caught.value.status == 503


async def test_an_execution_that_ended_without_outcome_has_failed(desk: Desk) -> None:
    run_id = await desk.workflows.announce([await desk.order()])
    await desk.swf.terminate_workflow_execution(names.DOMAIN, "enable-1", reason="operator")
    outcome = await desk.drive(wait(desk, run_id=run_id))
    assert (outcome.state, outcome.status) == (workflows.OutcomeState.FAILED, 500)
    assert "TERMINATED" in outcome.reason
    run_id = await desk.workflows.announce([await desk.order()])
    await desk.decide("FailWorkflowExecution", reason="Broken")
    outcome = await desk.drive(wait(desk, run_id=run_id))
    assert (outcome.state, outcome.status) == (workflows.OutcomeState.FAILED, 500)


async def test_a_cancelled_wait_leaves_the_workflow_alone(desk: Desk) -> None:
    run_id = await desk.workflows.announce([await desk.order()])
    waiting = asyncio.ensure_future(wait(desk, run_id=run_id))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert waiting.cancelled()
    assert len(await desk.opened()) == 1


async def test_running_tells_the_load_balancers_own_executions_and_their_input(desk: Desk) -> None:
    client = flow.Client(desk.swf, names.DOMAIN, names.TASK_LIST)
    await desk.workflows.announce([await desk.order()])
    # Another account's load balancer of the same name, and another type.
    await client.start(ENABLE, "other", ZONES, tags=("account:000000000001", "loadbalancer:web"))
    await client.start(
        workflows.UPDATE_LOAD_BALANCER, "update", workflows.LoadBalancerInput(KEY), tags=names.workflow_tags(KEY)
    )
    (running,) = await desk.workflows.running(ENABLE, KEY)
    assert running.execution.workflow_id == "enable-1"
    assert running.value == ZONES


async def test_running_without_swf_is_a_503(desk: Desk) -> None:
    desk.faults.active, desk.faults.refused = True, 1.0
    with pytest.raises(query.Fault) as caught:
        await desk.workflows.running(ENABLE, KEY)
    assert caught.value.status == 503
