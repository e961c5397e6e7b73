"""``elbflow polling`` against a scheduler of its own."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator

import pytest

from elbflow import clock as clocks
from elbflow import polling, service, swf
from elbflow.polling.testing import Reply, ScriptedPolls
from elbflow_standalone import __main__ as command


async def ignore(_: swf.ActivityTask) -> None:
    return


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The admin address of a process that polls for 1,200 VMs with 1,000 connections."""
    clock = clocks.ManualClock()
    polls = ScriptedPolls(clock, lambda _: Reply(58.0))
    local = polling.EndpointProfile.local()
    async with service.Process(service.ServiceSettings(), "agent") as process:
        made = polling.scheduler_of(
            process, polls, profile=local, budget=1000, handles="tasks", clock=clock, rng=random.Random(1)
        )
        scheduler = await made.__aenter__()
        for number in range(1200):
            task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "elb", f"i-{number:04}")
            scheduler.add_lane(task_list, ignore, slots=8, max_polls=1, lane_class="vm")
        for _ in range(10):
            await clock.advance(1.0)
        yield await process.serve_admin()
        leaving = asyncio.ensure_future(made.__aexit__(None, None, None))
        while not leaving.done():
            await clock.advance(1.0)


async def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert await asyncio.to_thread(command.main, ["polling", *words]) == 0
    return capsys.readouterr().out


async def test_programs_get_every_lane_over_pages(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    (view,) = json.loads(await asked(capsys, url, "--json", "--limit", "5000")).values()
    assert len({lane["task_list"]["name"] for lane in view["lanes"]}) == view["matching"] == 1200
    assert sum(lane["parked"] for lane in view["lanes"]) == view["scheduler"]["budget_used"] == 1000


async def test_people_get_tables(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = await asked(capsys, url, "--class", "vm", "--list", "i-000", "--limit", "3")
    assert "1000 of 1000 connections" in shown
    assert "3 of 10 lanes that match" in shown
    assert "i-0002" in shown
    assert "i-0003" not in shown
    monkeypatch.setenv("COLUMNS", "80")
    narrow = await asked(capsys, url, "--list", "i-0001", "--limit", "3")
    assert "why no further poll" in narrow
    assert "at its target" in narrow


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["http://127.0.0.1:1"], "does not explain its polling"),
        (["ftp://127.0.0.1"], "is no address"),
    ],
)
def test_wrong_addresses(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["polling", *words]) == 1
    assert problem in capsys.readouterr().err


async def test_a_wrong_query_says_what_is_wrong(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(command.main, ["polling", url, "--sort", "colour"]) == 1
    assert "sort must be one of" in capsys.readouterr().err
