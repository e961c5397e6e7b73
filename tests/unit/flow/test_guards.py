"""Calls whose outcome is not in the history."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import contextlib
import gc
import io
import linecache
import os
import pathlib
import random
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import traceback
import uuid
from asyncio import as_completed
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import definition, guards, testing


@pytest.mark.parametrize(
    ("owner", "name", "arguments", "remedy"),
    [
        (time, "time", (), r"time\.time\(\).*flow\.now\(\)"),
        (time, "sleep", (0,), r"flow\.sleep"),
        (random, "random", (), "activity"),
        (uuid, "uuid4", (), "activity"),
        (secrets, "token_hex", (), "activity"),
        (os, "urandom", (1,), "activity"),
        (builtins, "open", (os.devnull,), "activity"),
        (socket, "socket", (), r"socket\(\)"),
        (subprocess, "run", (["true"],), "activity"),
        (threading.Thread(target=print), "start", (), "no threads"),
        (concurrent.futures.ThreadPoolExecutor(1), "submit", (print,), "no threads"),
        (pathlib.Path(os.devnull), "read_text", (), "activity"),
        (pathlib.Path("/"), "exists", (), "activity"),
        (io, "open", (os.devnull,), "activity"),
        (os, "open", (os.devnull, os.O_RDONLY), "activity"),
        (os, "getpid", (), "side_effect"),
        (os.environ, "get", ("HOME",), "side_effect"),
        (random, "Random", (), r"random\.Random\(\).*seed"),
        (random.SystemRandom(), "random", (), "side_effect"),
        (secrets.SystemRandom(), "randint", (1, 6), "side_effect"),
        (uuid, "uuid1", (), "time_ns|uuid1"),
        (tempfile, "mkdtemp", (), "reproducible"),
        (asyncio, "new_event_loop", (), "await instead"),
        (asyncio.Runner(), "__enter__", (), "await instead"),
    ],
)
def test_they_are_refused_with_the_remedy(
    programs: Any, owner: Any, name: str, arguments: tuple[Any, ...], remedy: str
) -> None:
    async def body(self: Any, number: int) -> int:
        with contextlib.suppress(Exception):  # catching it does not help
            getattr(owner, name)(*arguments)
        return number

    with pytest.raises(flow.NonDeterministicCall, match=remedy):
        programs.run(body).decide()


def test_everything_is_as_before_afterwards(programs: Any) -> None:
    names = ((time, "time"), (random, "random"), (builtins, "open"), (io, "open"), (os, "stat"), (asyncio, "wait"))
    before = [getattr(owner, name) for owner, name in names]

    async def body(self: Any, number: int) -> int:
        assert time.time is not before[0]
        return number

    assert programs.value(body) == 1
    assert [getattr(owner, name) for owner, name in names] == before
    assert asyncio.wait_for.__module__ == "asyncio.tasks"


def test_methods_replaced_for_good_do_their_work(tmp_path: pathlib.Path) -> None:
    with guards.guarded():
        pass
    with socket.socket() as opened:
        assert opened.fileno() > 0
    assert subprocess.run(["true"], check=False).returncode == 0
    assert random.Random(5).random() == random.Random(5).random()
    assert random.Random().random() != random.Random().random()
    assert os.environ.get("HOME") == os.getenv("HOME")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: 7).result() == 7


def test_a_generator_with_a_seed_of_its_own_is_welcome(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[float]:
        return [random.Random(number).random(), random.Random(str(number)).random()]

    assert programs.value(body, output=list[float])[0] == random.Random(1).random()


def test_guards_may_be_nested_and_shared_by_threads() -> None:
    found = time.time
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with guards.guarded():
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with guards.guarded():
        with guards.guarded(), pytest.raises(flow.NonDeterministicCall):
            time.time()
        with pytest.raises(flow.NonDeterministicCall):
            time.time()
    thread.start()
    assert inside.wait(5)
    assert time.time is not found
    assert time.time() > 0
    leave.set()
    thread.join()
    assert time.time is found


def test_the_collector_rests_while_a_decision_is_taken(programs: Any) -> None:
    seen: list[bool] = []

    async def body(self: Any, number: int) -> int:
        seen.append(gc.isenabled())
        return number

    assert programs.value(body) == 1
    assert seen == [False, False]
    assert gc.isenabled()
    gc.disable()
    try:
        assert programs.value(body) == 1
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_tracebacks_may_be_formatted(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        linecache.clearcache()
        try:
            raise KeyError("told")
        except KeyError:
            return traceback.format_exc()

    assert 'raise KeyError("told")' in programs.value(body, output=str)


def test_what_others_put_in_place_stays(monkeypatch: pytest.MonkeyPatch, programs: Any) -> None:
    monkeypatch.setattr(time, "time", lambda: 5.0)

    async def body(self: Any, number: int) -> int:
        return number

    assert programs.value(body) == 1
    assert time.time() == 5.0


def test_other_threads_are_not_meant() -> None:
    answers: list[float] = []
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(5)
        answers.append(time.time())
        with socket.socket() as opened:
            answers.append(float(opened.fileno()))
        leave.set()

    thread = threading.Thread(target=other)
    thread.start()
    with guards.guarded():
        inside.set()
        leave.wait(5)
    thread.join()
    assert len(answers) == 2


def test_waiting_for_what_has_no_order_is_refused(programs: Any) -> None:
    async def gathered(self: Any, number: int) -> int:
        await asyncio.wait([asyncio.gather(programs.double(1), programs.double(2))])
        return number

    with pytest.raises(flow.NonDeterministicCall, match="create_task"):
        programs.value(gathered)

    async def a_set(self: Any, number: int) -> int:
        coroutines = {programs.double(1), programs.double(2)}
        try:
            for step in asyncio.as_completed(coroutines):
                await step
        finally:
            for coroutine in coroutines:
                coroutine.close()
        return number

    with pytest.raises(flow.NonDeterministicCall, match="pass a list"):
        programs.value(a_set)


def test_the_unordered_function_imported_by_name_is_refused(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        coroutines = [programs.double(1), programs.double(2)]
        try:
            for step in as_completed(coroutines):
                await step
        finally:
            for coroutine in coroutines:
                coroutine.close()
        return number

    with pytest.raises(flow.NonDeterministicCall, match=r"asyncio\.as_completed\(\)"):
        programs.value(body)


def test_it_may_be_used_on_tasks(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        tasks = [asyncio.create_task(programs.double(value)) for value in (3, 4)]
        return [await step for step in as_completed(tasks)]

    assert programs.value(body, output=list[int]) == [6, 8]


async def test_outside_of_decisions_nothing_changes() -> None:
    with guards.guarded():
        pass
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(0, 5))])
    assert [task.result() for task in done] == [5]
    assert not pending
    assert [await step for step in asyncio.as_completed({asyncio.sleep(0, 6)})] == [6]


def test_a_stand_in_left_behind_by_an_interrupt_is_not_taken_for_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with guards.guarded():
        left_behind = time.monotonic
    monkeypatch.setattr(time, "monotonic", left_behind)
    with guards.guarded():
        pass
    assert left_behind() > 0


class Clock:
    """What a workflow's cleanup reads."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def read(self) -> None:
        try:
            getattr(time, "monotonic")()  # noqa: B009
            self.said.append("read")
        except flow.NonDeterministicCall:
            self.said.append("refused")


def waiting(clock: Clock) -> Any:
    async def body(workflow: Any, number: int) -> int:
        try:
            await flow.sleep(9)
        finally:
            clock.read()
        return number

    return body


def test_the_cleanup_of_a_replayed_run_is_guarded(programs: Any) -> None:
    clock = Clock()
    run = programs.run(waiting(clock))
    run.decide()
    clock.said.clear()
    flow.replay(run.workflow_class, run.swf.events, execution=run.swf.execution)
    assert clock.said == ["refused"]


async def test_the_cleanup_of_what_a_test_leaves_open_is_guarded(programs: Any) -> None:
    clock = Clock()
    cls = programs.make(waiting(clock))
    async with testing.Environment(workflows=[cls]) as env:
        await env.start(definition.definition(cls).signature, 1)
        await env.settle()
        clock.said.clear()
    assert set(clock.said) == {"refused"}
