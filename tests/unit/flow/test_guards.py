"""Calls whose outcome is not in the history."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import os
import random
import secrets
import socket
import subprocess
import threading
import time
import uuid
from asyncio import as_completed
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import guards


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
    before = [time.time, random.random, open, socket.socket.__init__, asyncio.wait, asyncio.as_completed]

    async def body(self: Any, number: int) -> int:
        assert time.time is not before[0]
        return number

    assert programs.value(body) == 1
    assert [time.time, random.random, open, socket.socket.__init__, asyncio.wait, asyncio.as_completed] == before


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
