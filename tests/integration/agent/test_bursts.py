"""What a burst of changes may not cost: questions to HAProxy and Redis, and the turn of what is quickly done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.agent.conftest import Backend, RedisServer, free_port, kill
from tests.integration.agent.test_apply import count, wanted
from tests.integration.agent.test_ipc import VM, ask, health_handlers

from elbflow import clock
from elbflow_agent import ipc, meters
from elbflow_agent.haproxy import apply, check, render, runtime
from elbflow_agent.ipc.line import Command, Line


async def test_a_change_of_members_takes_few_questions_and_one_version(
    applier: apply.Applier, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, (one, two, _) = free_port(address), backends
    asked, tags = list[str](), list[object]()
    converse, tag = runtime._converse, render.tag

    async def counted(*arguments: Any, **options: Any) -> str:
        asked.append(str(arguments[1]))
        return await converse(*arguments, **options)

    def noted(*arguments: Any) -> str:
        tags.append(arguments)
        return tag(*arguments)

    await applier.converge(wanted(address, port, one), drain_s=0)
    monkeypatch.setattr(runtime, "_converse", counted)
    monkeypatch.setattr(render, "tag", noted)
    await applier.converge(wanted(address, port, one, two), drain_s=0)
    # What is to be done, with what came of it: how it was before is what the last change proved.
    assert (len(asked), len(tags)) == (1, 0)
    assert asked[-1].endswith("ready;show info;show servers state;show stat -1 1 -1")
    asked.clear()
    await applier.converge(wanted(address, port, one), drain_s=0)
    assert len(asked) == 4
    assert asked[-1] == "show info;show servers state;show stat -1 1 -1"
    asked.clear()
    await applier.converge(wanted(address, port, one), drain_s=0)
    # Where nothing is to be done, it is looked what there is: the master's processes, and the worker.
    assert len(asked) == 2


async def test_what_takes_no_reload_overtakes_reloads_and_a_start_waits_for_none(
    make_applier: Callable[..., apply.Applier], address: str, backends: list[Backend], instruments: meters.Meters
) -> None:
    port, (one, two, _) = free_port(address), backends
    reloading = asyncio.Semaphore(1)
    applier = make_applier(reloading=reloading)
    base = wanted(address, port, one)
    await applier.converge(base, drain_s=0)
    other = replace(base, idle_timeout_s=61)
    async with reloading:
        await applier.converge(wanted(address, port, one, two), drain_s=0)
        waiting = asyncio.create_task(applier.converge(other, drain_s=0))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        master = await applier.master_pid()
        assert master is not None
        await kill(master)
        assert (await applier.converge(base, drain_s=0)).restructured
        waiting = asyncio.create_task(applier.converge(other, drain_s=0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting).restructured
    assert (count(instruments, "start"), count(instruments, "reload")) == (2, 1)


async def test_a_check_gives_way_to_what_serves() -> None:
    code, output = await check.run("/bin/sh", "-c", "sleep 0.1; nice", timeout_s=5.0)
    assert (code, int(output)) == (0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5))


async def test_requests_of_one_instant_share_questions_to_redis(
    broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, genuine = list[Sequence[Command]](), Line.ask

    async def counted(self: Line, *commands: Command) -> list[Any]:
        asked.append(commands)
        return await genuine(self, *commands)

    monkeypatch.setattr(Line, "ask", counted)
    connect, time, instruments = ipc.unix_socket(broker.socket), clock.SystemClock(), meters.Meters()
    async with (
        ipc.Server(connect, time=time, instruments=instruments) as server,
        ipc.Client(connect, time=time, instruments=instruments) as client,
    ):
        await server.add(VM, health_handlers())
        await ask(client, "before")
        await asyncio.sleep(0.1)  # both have heard of each other, and ask nothing anew
        asked.clear()
        replies = await asyncio.gather(*(ask(client, str(number)) for number in range(200)))
    assert [reply.digest for reply in replies] == [f"{number}!" for number in range(200)]
    assert sum(command[0] == "PUBLISH" for commands in asked for command in commands) == 200
    assert len(asked) < 100
