"""A hundred listeners with a thousand instances each: nobody waits until all of them have been dealt with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.agent.conftest import HTTP, KEY, TCP

from elbflow import clock
from elbflow.contract import document
from elbflow_agent.haproxy import benched, compare, diff, model, orders, plan, proven, running, stats, steps, table
from elbflow_agent.servo.ledger import Ledger
from elbflow_agent.servo.memory import Memory

LISTENERS, INSTANCES = 100, 1000
FEWEST_TURNS = LISTENERS * INSTANCES // (2 * steps.AT_ONCE)
READY, MAINT = model.Admin.READY, model.Admin.MAINT
STATE_HEADER = "# be_name srv_name srv_addr srv_admin_state srv_port"
TABLE_HEADER = "# pxname,svname,qcur,scur,stot,hrsp_2xx,rtime,mode,"


def wanted(listeners: int, instances: int) -> document.LoadBalancerDocument:
    """Every listener has instances of its own port, so that no two of them have the same servers."""
    return document.LoadBalancerDocument(
        KEY,
        1,
        "local-1a",
        tuple(
            document.Listener(kind, 20_000 + number, kind, 8000 + number)
            for number in range(listeners)
            for kind in (HTTP if number % 2 else TCP,)
        ),
        tuple(
            document.BackendInstance(f"i-{number:08x}", f"10.0.{number // 250}.{number % 250 + 1}")
            for number in range(instances)
        ),
    )


def state_of(served: model.Model) -> str:
    lines = (
        f"{listener.backend} {each.name} {each.address} {0 if each.admin is READY else 1} {each.port}"
        for listener in served.listeners
        for each in listener.servers
    )
    return "\n".join(("1", STATE_HEADER, *lines, ""))


def table_of(served: model.Model, requests: int) -> str:
    lines = (
        f"{listener.backend},{each.name},0,0,{requests},{requests},7,http,"
        for listener in served.listeners
        for each in listener.servers
    )
    return "\n".join((TABLE_HEADER, *lines, ""))


@dataclass
class Turns:
    """How often the loop had time for others."""

    count: int = 0

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.count += 1


@contextlib.asynccontextmanager
async def many_turns() -> AsyncIterator[None]:
    """In the block others must have their turns, as often as a hundred thousand servers are worth."""
    turns = Turns()
    watching = asyncio.create_task(turns.watch())
    await asyncio.sleep(0)
    before = turns.count
    try:
        yield
    finally:
        watching.cancel()
    assert turns.count - before >= FEWEST_TURNS


async def test_a_hundred_thousand_servers_leave_the_loop_its_turns(tmp_path: Path) -> None:
    large = wanted(LISTENERS, INSTANCES)
    async with many_turns():
        served = (await steps.in_turns(plan.planning(large, "127.0.0.1", lambda _: True))).model
    assert sum(len(each.servers) for each in served.listeners) == LISTENERS * INSTANCES
    async with many_turns():
        servers = await steps.in_turns(running.parsing_servers(state_of(served)))
    actual = running.Running("tag", 1, servers, served.ports)
    async with many_turns():
        assert await steps.in_turns(diff.finding_membership(actual, served)) == ()
    async with many_turns():
        assert await steps.in_turns(compare.finding_differences(actual, served, "tag", ())) == ()
    async with many_turns():
        told = await steps.in_turns(proven.Proven(1, 1, "tag", served).telling())
    assert diff.departed(told, served) == ()
    nobody = running.Running("tag", 1, {}, served.ports)
    async with many_turns():
        joins = await steps.in_turns(diff.finding_membership(nobody, served))
    async with many_turns():
        assert len(await steps.in_turns(orders.making(joins))) == 2 * LISTENERS * INSTANCES
    async with many_turns():
        watched = benched.Benched(clock.ManualClock())
        assert await steps.in_turns(watched.looking(actual, served, 5.0, is_new=False)) == ()
    async with many_turns():
        rows = await steps.in_turns(table.parsing(table_of(served, 3)))
    counters = stats.Counters()
    async with many_turns():
        await steps.in_turns(counters.observing(1, rows))
    assert counters.totals["RequestCount"] == 3 * LISTENERS * INSTANCES
    async with many_turns():
        await Memory(tmp_path, clock.ManualClock()).save_metrics(Ledger(), counters)


async def test_small_load_balancers_are_dealt_with_in_one_go() -> None:
    turns = Turns()
    watching = asyncio.create_task(turns.watch())
    await asyncio.sleep(0)
    before = turns.count
    served = (await steps.in_turns(plan.planning(wanted(4, 100), "127.0.0.1", lambda _: True))).model
    await steps.in_turns(running.parsing_servers(state_of(served)))
    assert turns.count == before
    watching.cancel()


def test_listeners_agree_about_who_is_in_rotation_although_that_changes_between_them() -> None:
    rotation = {"i-00000000", "i-00000001"}
    planning = plan.planning(wanted(3, 2), "127.0.0.1", rotation.__contains__)
    next(planning)
    rotation.clear()
    served = steps.at_once(planning).model
    assert {each.admin for listener in served.listeners for each in listener.servers} == {READY}


def test_listeners_of_one_instance_port_have_their_servers_in_common() -> None:
    same = tuple(document.Listener(TCP, port, TCP, 8000) for port in (80, 81))
    one, other = plan.plan(
        document.LoadBalancerDocument(KEY, 1, "local-1a", same, wanted(1, 3).backends), "127.0.0.1", lambda _: True
    ).model.listeners
    assert one.servers is other.servers


def test_a_report_amid_a_look_has_nothing_of_it() -> None:
    """Front ends come before their servers: half of a look would tell of HAProxy's own answers that were none."""
    served = plan.plan(wanted(2, 700), "127.0.0.1", lambda _: True).model
    counters = stats.Counters()
    looking = counters.observing(1, table.parse(table_of(served, 5)))
    next(looking)
    next(looking)
    assert (counters.totals, counters.baselines) == ({}, {})
    looking.close()  # cancelled
    counters.observe(1, table.parse(table_of(served, 5)))
    assert counters.totals["RequestCount"] == 5 * 2 * 700


async def test_what_is_counted_while_counts_are_saved_is_not_saved_by_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals and the raw values they were made of are of one instant, or a restart would count twice."""
    monkeypatch.setattr(steps, "AT_ONCE", 1)
    served = plan.plan(wanted(2, 700), "127.0.0.1", lambda _: True).model
    counters, memory = stats.Counters(), Memory(tmp_path, clock.ManualClock())
    counters.observe(1, table.parse(table_of(served, 5)))
    saving = asyncio.create_task(memory.save_metrics(Ledger(), counters))
    await asyncio.sleep(0)
    counters.observe(1, table.parse(table_of(served, 9)))
    await saving
    _, recalled = await Memory(tmp_path, clock.ManualClock()).metrics()
    assert recalled.totals["RequestCount"] == 5 * 2 * 700
    recalled.observe(1, table.parse(table_of(served, 9)))
    assert recalled.totals["RequestCount"] == 9 * 2 * 700


async def test_of_servers_that_served_nobody_nothing_is_kept(tmp_path: Path) -> None:
    served = plan.plan(wanted(1, 2), "127.0.0.1", lambda _: True).model
    counters = stats.Counters(baselines={1: {("be-20000", "i-00000000"): dict(table.NOUGHTS)}})
    counters.observe(1, table.parse(table_of(served, 0)))
    assert counters.baselines == {1: {}}
    counters.observe(1, table.parse(table_of(served, 4)))
    assert counters.totals["RequestCount"] == 8


@pytest.mark.parametrize("length", [0, 1, 99_999, 100_000, 100_001, 250_000])
def test_no_line_is_lost_between_lots(length: int) -> None:
    text = "".join(f"{'x' * (number % 97)}\n" for number in range(length // 48))
    lots = [*steps.lines_of(text)]
    assert [line for lot in lots for line in lot] == text.splitlines()
