"""Workflows in a test environment: activities, time, signals, cancellation, and what a test did wrong."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from elbflow import errors, flow, swf
from elbflow.flow import testing
from elbflow.flow.replaying import Report
from elbflow_engine import histories


@flow.abstract_activity(name="charge", version="1", start_to_close=timedelta(minutes=10))
async def charge(order: str) -> str:
    """Take the money."""


@flow.abstract_activity(
    name="pack",
    version="1",
    start_to_close=timedelta(hours=1),
    heartbeat=timedelta(seconds=30),
    retry=flow.RetryPolicy(3, timedelta(seconds=10)),
)
async def pack(order: str) -> int:
    """Pack it; gives the weight."""


ORDER = flow.WorkflowSignature("Order", "1", str, str, timedelta(days=3), timedelta(seconds=10))
PAY = flow.SignalSignature("pay", int)
HOUR = timedelta(hours=1)


@flow.workflow(ORDER)
class Order:
    """Waits for money, charges it, packs."""

    def __init__(self) -> None:
        self.paid = 0

    @flow.signal(PAY)
    def pay(self, amount: int) -> None:
        self.paid += amount

    async def run(self, order: str) -> str:
        flow.set_state("waiting")
        await flow.wait_condition(lambda: self.paid >= 10)
        receipt = await charge(order)
        flow.set_state("packing")
        weight = await pack(order)
        await flow.sleep(HOUR)
        return f"{receipt} {weight}"


def paid_order(**fakes: object) -> testing.Environment:
    given: dict[flow.Activity[..., Any], object] = {
        charge: fakes.get("charge", lambda order: "receipt"),
        pack: fakes.get("pack", lambda order: 3),
    }
    return testing.Environment(workflows=[Order, Counting, Hundred], activities=given)


async def paid(env: testing.Environment) -> testing.Handle[str]:
    order = await env.start(ORDER, "o-1")
    await order.signal(PAY, 10)
    return order


async def test_a_workflow_runs_on_virtual_time() -> None:
    began = time.monotonic()
    async with paid_order() as env:
        order = await paid(env)
        assert await order.result() == "receipt 3"

        assert env.now == datetime(2030, 1, 1, 1, tzinfo=UTC)
        assert order.status == "COMPLETED"
        assert env.called() == ["charge", "pack"]
        assert env.calls(charge) == [("o-1",)]
    assert time.monotonic() - began < 5


async def test_time_passes_as_far_as_the_test_lets_it() -> None:
    async with paid_order() as env:
        order = await env.start(ORDER, "o-1", workflow_id="order-1", tags=("shop:1",))
        await env.advance(2 * HOUR)
        assert (order.status, order.state(str)) == (None, "waiting")
        assert order.execution.workflow_id == "order-1"

        await order.signal(PAY, 5)
        await env.settle()
        assert env.called() == []
        await order.signal(PAY, 5)
        await env.settle()
        assert order.state(str) == "packing"
        await env.advance(HOUR)

        assert order.status == "COMPLETED"
        assert env.now == datetime(2030, 1, 1, 3, tzinfo=UTC)


async def test_its_history_is_one_that_swf_could_have_written() -> None:
    async with paid_order(pack=testing.in_turn(OSError("no box"), testing.TimesOut("HEARTBEAT", "half"), 3)) as env:
        order = await paid(env)
        await order.result()

    histories.check(json.loads(order.recorded())["events"])
    kinds = [event.type for event in order.history]
    assert kinds.count("ActivityTaskFailed") == kinds.count("ActivityTaskTimedOut") == 1


async def test_a_recorded_history_is_replayed_from_its_file(tmp_path: Path) -> None:
    async with paid_order() as env:
        order = await paid(env)
        await order.result()

    def replayed() -> Report:
        (tmp_path / "order.json").write_text(order.recorded())
        return flow.replay_histories([Order], tmp_path)

    report = await asyncio.to_thread(replayed)

    assert report.ok, report
    assert report.verdicts[0].events == len(order.history)


# --- fakes -------------------------------------------------------------------------------------------------------


async def test_fakes_take_virtual_time() -> None:
    async def slow(order: str) -> str:
        await asyncio.sleep(90)
        async with asyncio.timeout(30):
            return "slow"

    async with paid_order(charge=slow, pack=testing.taking(timedelta(minutes=20), 4)) as env:
        order = await paid(env)
        assert await order.result() == "slow 4"
        assert env.now == datetime(2030, 1, 1, 1, 21, 30, tzinfo=UTC)


async def test_failures_are_retried_as_the_activity_says() -> None:
    async with paid_order(pack=testing.in_turn(OSError("1"), OSError("2"), 5)) as env:
        order = await paid(env)
        assert await order.result() == "receipt 5"
        assert len(env.calls(pack)) == 3


async def test_a_permanent_failure_ends_the_workflow() -> None:
    async with paid_order(charge=errors.Permanent("no funds")) as env:
        order = await paid(env)
        with pytest.raises(flow.WorkflowFailed, match="no funds"):
            await order.result()
        assert order.status == "FAILED"


async def test_a_worker_that_dies_is_noticed_by_its_silence() -> None:
    async with paid_order(pack=testing.Never()) as env:
        order = await paid(env)
        with pytest.raises(flow.WorkflowFailed, match="HEARTBEAT"):
            await order.result()
        assert env.now < datetime(2030, 1, 1, 0, 5, tzinfo=UTC)


async def test_an_activity_times_out_as_the_fake_says_when_its_limit_is_over() -> None:
    async with paid_order(charge=testing.TimesOut()) as env:
        order = await paid(env)
        with pytest.raises(flow.WorkflowFailed, match="START_TO_CLOSE"):
            await order.result()
        assert env.now == datetime(2030, 1, 1, 0, 10, tzinfo=UTC)


async def test_an_activity_that_nobody_takes() -> None:
    async with testing.Environment(
        workflows=[Untaken], activities={charge: testing.TimesOut("SCHEDULE_TO_START")}
    ) as env:
        assert await env.run(UNTAKEN, "o") == "SCHEDULE_TO_START"
        assert env.now == datetime(2030, 1, 1, 0, 0, 5, tzinfo=UTC)
        assert env.called() == []


async def test_activities_that_live_send_heartbeats_and_time_out_in_the_end() -> None:
    async def long(order: str) -> int:
        await flow.activity_context().heartbeat("begun")
        await asyncio.sleep(7200)
        raise AssertionError("it was given an hour")

    async with paid_order(pack=long) as env:
        order = await paid(env)
        with pytest.raises(flow.WorkflowFailed, match="START_TO_CLOSE"):
            await order.result()
        timeouts = [event.attributes for event in order.history if event.type == "ActivityTaskTimedOut"]
        assert [one["timeoutType"] for one in timeouts] == ["START_TO_CLOSE"] * 3
        assert {one["details"] for one in timeouts} == {"begun"}


async def test_cancellation_reaches_the_activity_with_its_next_heartbeat() -> None:
    stopped: list[datetime] = []

    async def long(order: str) -> int:
        try:
            await asyncio.sleep(3000)
        except asyncio.CancelledError:
            stopped.append(env.now)
            raise
        return 1

    async with paid_order(pack=long) as env:
        order = await paid(env)
        await env.advance(timedelta(seconds=61))
        await order.cancel()
        with pytest.raises(flow.WorkflowClosed, match="CANCELED"):
            await order.result()
        await env.advance(timedelta(seconds=30))
        assert len(stopped) == 1


async def test_a_registry_of_real_implementations_will_do() -> None:
    registry = flow.ActivityRegistry()
    keys: list[str] = []

    async def real_charge(order: str) -> str:
        keys.append(flow.activity_context().idempotency_key)
        return "real"

    async def real_pack(order: str) -> int:
        return 7

    registry.bind(charge, real_charge)
    registry.bind(pack, real_pack)
    async with testing.Environment(workflows=[Order], activities=registry) as env:
        assert await (await paid(env)).result() == "real 7"
    assert keys == ["run-1:1"]


async def test_an_assertion_in_a_fake_fails_the_test() -> None:
    def checks(order: str) -> str:
        assert order == "another"
        return ""

    async with paid_order(charge=checks) as env:
        with pytest.raises(AssertionError, match="another"):
            await (await paid(env)).result()


# --- long runs ---------------------------------------------------------------------------------------------------

COUNTING = flow.WorkflowSignature("Counting", "1", int, int, timedelta(hours=5), timedelta(seconds=10))
UNTAKEN = flow.WorkflowSignature("Untaken", "1", str, str, timedelta(hours=5), timedelta(seconds=10))
HUNDRED = flow.WorkflowSignature("Hundred", "1", str, int, timedelta(days=3), timedelta(seconds=10))


@flow.workflow(COUNTING)
class Counting:
    """Continues as new until it has counted down."""

    async def run(self, left: int) -> int:
        await flow.sleep(60)
        if left:
            raise flow.continue_as_new(left - 1)
        return len(flow.info().tags)


@flow.workflow(UNTAKEN)
class Untaken:
    """Asks for what no worker does."""

    async def run(self, order: str) -> str:
        try:
            return await charge.using(schedule_to_start=timedelta(seconds=5))(order)
        except flow.ActivityTimedOut as error:
            return error.timeout_type


@flow.workflow(HUNDRED)
class Hundred:
    """A hundred steps."""

    async def run(self, order: str) -> int:
        for _ in range(100):
            await charge(order)
        return 100


async def test_continue_as_new_is_followed() -> None:
    async with paid_order() as env:
        counting = await env.start(COUNTING, 4, tags=("a", "b"))
        assert await counting.result() == 2
        assert counting.runs == 5
        assert env.now == datetime(2030, 1, 1, 0, 5, tzinfo=UTC)


async def test_a_hundred_steps_take_no_time() -> None:
    async with paid_order() as env:
        await env.run(HUNDRED, "warm")
        began = time.process_time()
        assert await env.run(HUNDRED, "o") == 100
        assert time.process_time() - began < 1.5  # some 0.1 s on a free core


async def test_an_execution_times_out_when_its_time_is_over() -> None:
    async with paid_order() as env:
        order = await env.start(ORDER, "o-1")
        await env.advance(timedelta(days=3))
        assert order.status == "TIMED_OUT"
        with pytest.raises(flow.WorkflowClosed, match="TIMED_OUT"):
            await order.result()


async def test_a_terminated_execution_hears_nothing_more() -> None:
    async with paid_order() as env:
        order = await env.start(ORDER, "o-1")
        await order.terminate()
        with pytest.raises(swf.UnknownResource, match="TERMINATED"):
            await order.signal(PAY, 1)


async def test_one_workflow_id_is_open_once() -> None:
    async with paid_order() as env:
        await env.start(ORDER, "a", workflow_id="one")
        with pytest.raises(swf.AlreadyStarted, match="one is open"):
            await env.start(ORDER, "b", workflow_id="one")


# --- what is wrong -----------------------------------------------------------------------------------------------


async def test_waiting_forever_says_where_and_for_what() -> None:
    async with paid_order() as env:
        with pytest.raises(testing.WaitsForever) as found:
            await env.run(ORDER, "o-1")
    text = str(found.value)
    assert "Order (Order-1) waits" in text
    assert "test_testing_environment.py" in text
    assert "await flow.wait_condition(lambda: self.paid >= 10)" in text
    assert "signals that it takes: pay" in text


async def test_an_unexpected_activity_is_named() -> None:
    async with testing.Environment(workflows=[Hundred], activities={pack: 1}) as env:
        with pytest.raises(testing.UnexpectedActivity, match=r'charge 1 with \["o-1"\].*has fakes for: pack 1'):
            await env.run(HUNDRED, "o-1")


async def test_a_fake_of_another_type_is_named() -> None:
    async with testing.Environment(workflows=[Hundred], activities={charge: 5}) as env:
        with pytest.raises(testing.TestingError, match="the fake of charge gave 5"):
            await env.run(HUNDRED, "o-1")


async def test_an_unknown_workflow_is_named() -> None:
    async with testing.Environment(workflows=[Hundred]) as env:
        with pytest.raises(testing.UnexpectedWorkflow, match=r"Order 1 is not among.*Hundred 1"):
            await env.start(ORDER, "o-1")


FICKLE = flow.WorkflowSignature("Fickle", "1", str, str, HOUR, timedelta(seconds=10))


async def test_non_determinism_is_found_by_itself() -> None:
    runs: list[int] = []

    @flow.workflow(FICKLE)
    class Fickle:
        async def run(self, order: str) -> str:
            runs.append(1)
            return await charge(f"{order} {len(runs)}")

    async with testing.Environment(workflows=[Fickle], activities={charge: "x"}) as env:
        with pytest.raises(flow.NonDeterminism, match="differs at command 1"):
            await env.run(FICKLE, "o-1")


async def test_a_defect_comes_out_with_its_line_and_cause() -> None:
    @flow.workflow(FICKLE)
    class Broken:
        async def run(self, order: str) -> str:
            return dict[str, str]()[order]

    async with testing.Environment(workflows=[Broken]) as env:
        with pytest.raises(flow.WorkflowDefect, match=r"KeyError: 'o-1' at .*test_testing_environment") as found:
            await env.run(FICKLE, "o-1")
    assert isinstance(found.value.__cause__, KeyError)


async def test_threads_have_no_place_in_fakes() -> None:
    async def threaded(order: str) -> str:
        return await asyncio.to_thread(str, order)

    async with paid_order(charge=threaded) as env:
        with pytest.raises(flow.WorkflowFailed, match="NotImplementedError"):
            await (await paid(env)).result()


async def test_fakes_that_still_run_end_with_the_environment() -> None:
    ended: list[str] = []

    async def endless(order: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(order)
        return ""

    async with paid_order(charge=endless) as env:
        await paid(env)
        await env.advance(HOUR / 60)
        assert ended == []
    assert ended == ["o-1"]
