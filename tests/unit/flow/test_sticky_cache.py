"""The cache of runs: least recently used first, bounded by bytes that are an honest estimate."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from elbflow import flow, swf
from elbflow.flow import guards
from elbflow.flow.core import decide
from elbflow.flow.sticky import Cache, Held, weight
from elbflow.flow.sticky.cache import Newborns
from elbflow.testing import SwfRun

Body = Callable[[Any, int], Awaitable[int]]


class Runs:
    """Runs of one program, each with its first decision taken; closed at the end of the test."""

    def __init__(self, programs: Any) -> None:
        self._programs = programs
        self.held: list[Held] = []

    def make(self, body: Body, number: int, how_many: int) -> list[Held]:
        workflow = self._programs.make(body)
        history = SwfRun(swf.TypeId(body.__name__, "1.0"), str(number)).poll()
        made = []
        for index in range(how_many):
            held = Held(decide.Run(workflow, swf.Execution("w", f"run-{index}")))
            with guards.guarded():
                held.run.decide(history)
            made.append(held)
        self.held += made
        return made

    def close(self) -> None:
        while self.held:
            self.held.pop().close()


@pytest.fixture
def runs(programs: Any) -> Iterator[Runs]:
    made = Runs(programs)
    yield made
    made.close()


async def waits(self: Any, number: int) -> int:
    await flow.sleep(100)
    return number


def branching(programs: Any) -> Body:
    async def branches(self: Any, number: int) -> int:
        async with asyncio.TaskGroup() as group:
            for index in range(number):
                group.create_task(programs.double(index))
        return number

    return branches


async def hoards(self: Any, number: int) -> int:
    self.hoard = [{"name": f"instance-{index}", "state": str(index) * 10} for index in range(number)]
    local = {index: str(index) * 30 for index in range(number)}
    await flow.wait_condition(lambda: bool(self.heard))
    return len(local)


@pytest.mark.parametrize(("shape", "number"), [("waits", 1), ("branches", 4), ("branches", 40), ("hoards", 200)])
def test_the_estimate_is_what_is_really_allocated(programs: Any, runs: Runs, shape: str, number: int) -> None:
    body = {"waits": waits, "hoards": hoards, "branches": branching(programs)}[shape]
    runs.make(body, number, 3)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = runs.make(body, number, 50)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    real = (after - before) / len(made)
    assert 0.9 * real < made[0].weigh() < 2.0 * real + 4_000


def test_a_thousand_executions_take_less_than_100_mb(programs: Any, runs: Runs) -> None:
    """By the estimate that the test above holds against what is allocated."""
    cache = Cache(100 << 20, flow.Metrics(CollectorRegistry()))
    for number, held in enumerate(runs.make(branching(programs), 5, 1_000)):
        assert cache.fits(held)
        cache.put(swf.Execution("w", str(number)), held)
    assert len(cache) == 1_000
    assert cache.bytes < 100 << 20


def test_the_least_recently_used_goes_first(runs: Runs) -> None:
    registry = CollectorRegistry()
    made = runs.make(waits, 1, 4)
    one = made[0].weigh()
    cache = Cache(3 * one + one // 2, flow.Metrics(registry))
    names = [swf.Execution("w", str(number)) for number in range(4)]
    for name, held in zip(names[:3], made[:3], strict=True):
        assert cache.fits(held)
        cache.put(name, held)
    assert cache.take(names[0], made[0].run.started_id) is made[0]
    assert (len(cache), cache.bytes) == (2, made[1].bytes + made[2].bytes)
    cache.put(names[0], made[0])
    assert cache.fits(made[3])
    cache.put(names[3], made[3])
    assert cache.take(names[1], 3) is None
    assert [cache.take(names[number], 3) for number in (2, 0, 3)] == [made[2], made[0], made[3]]
    assert registry.get_sample_value("flow_cache_evictions_total") == 1
    assert (len(cache), cache.bytes, registry.get_sample_value("flow_cache_bytes")) == (0, 0, 0)


def test_of_two_runs_of_one_execution_the_further_one_stays(runs: Runs) -> None:
    cache = Cache(1 << 20, flow.Metrics(CollectorRegistry()))
    name = swf.Execution("w", "1")
    ahead, behind = runs.make(waits, 1, 2)
    ahead.run.started_id = 9
    for held in (ahead, behind):
        assert cache.fits(held)
        cache.put(name, held)
    assert cache.take(name, 3) is None
    assert cache.take(name, 9) is ahead
    cache.put(name, ahead)
    assert cache.take(name, 12) is None
    assert (len(cache), cache.bytes) == (0, 0)


def test_what_cannot_be_weighed_in_time_is_too_heavy(programs: Any, runs: Runs, monkeypatch: Any) -> None:
    monkeypatch.setattr(weight, "MOST_OBJECTS", 500)
    (held,) = runs.make(hoards, 500, 1)
    assert held.weigh() == weight.TOO_HEAVY
    assert not Cache(1 << 40, flow.Metrics(CollectorRegistry())).fits(held)


def test_weighing_is_rare_for_those_with_many_objects(runs: Runs, monkeypatch: Any) -> None:
    (held,) = runs.make(hoards, 200, 1)
    weighed = []
    real = weight.bytes_of

    def counted(run: decide.Run) -> tuple[int, int]:
        weighed.append(run)
        return real(run)

    monkeypatch.setattr(weight, "bytes_of", counted)
    for _ in range(60):
        held.weigh()
    assert 2 <= len(weighed) <= 10


def test_what_functions_hold_counts(programs: Any, runs: Runs) -> None:
    def holder(text: str) -> Callable[[], int]:
        return lambda: len(text)

    async def undoes(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "x" * 30_000 + str(number))
            self.later = [lambda held="z" * 30_000 + str(number): len(held), holder("y" * 30_000 + str(number))]
            await flow.wait_condition(lambda: bool(self.heard))
        return number

    (light,), (heavy,) = runs.make(waits, 1, 1), runs.make(undoes, 1, 1)
    assert 90_000 < heavy.weigh() - light.weigh() < 110_000


def test_cleanup_of_evicted_workflows_has_no_effect_and_is_guarded(runs: Runs) -> None:
    seen: list[str] = []

    async def cleans(self: Any, number: int) -> int:
        try:
            await flow.sleep(100)
        finally:
            try:
                open("/proc/version")  # noqa: SIM115
            except flow.NonDeterministicCall:
                seen.append("refused")
        return number

    (held,) = runs.make(cleans, 1, 1)
    cache = Cache(1 << 20, flow.Metrics(CollectorRegistry()))
    assert cache.fits(held)
    cache.put(swf.Execution("w", "1"), held)
    cache.clear()
    assert seen == ["refused"]
    assert len(cache) == 0


async def refuses_to_be_looked_at(self: Any, number: int) -> int:
    class Shy:
        def __sizeof__(self) -> int:
            raise ReferenceError("gone")

    self.field = Shy()
    await flow.sleep(100)
    return number


async def looks_at_what_is_gone(self: Any, number: int) -> int:
    class Gone: ...

    self.field = weakref.proxy(Gone())
    await flow.sleep(100)
    return number


def test_what_is_gone_weighs_hardly_anything(runs: Runs) -> None:
    (held,) = runs.make(looks_at_what_is_gone, 1, 1)
    assert 0 < held.weigh() < 100_000


def brings(characters: int) -> list[swf.HistoryEvent]:
    return [swf.HistoryEvent(1, "WorkflowExecutionStarted", 0.0, {"input": "x" * characters, "tagList": ["y" * 9]})]


def test_newborn_runs_alike_are_weighed_one_in_sixteen(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[decide.Run] = []
    bytes_of = weight.bytes_of

    def counted(run: decide.Run) -> tuple[int, int]:
        looked.append(run)
        return bytes_of(run)

    monkeypatch.setattr(weight, "bytes_of", counted)
    made, newborns = runs.make(waits, 1, 34), Newborns()
    for held in made[:33]:
        held.born(brings(100), newborns)
        held.weigh()
    assert [made.index(held) for held in made if held.run in looked] == [0, 16, 32]
    assert len({held.bytes for held in made[:16]}) == 1
    for _ in range(10):
        made[1].weigh()  # as after each further decision
    assert looked[3] is made[1].run
    made[33].born(brings(101), newborns)
    made[33].weigh()
    assert made[33].run in looked


def test_one_that_is_too_heavy_says_nothing_of_the_others() -> None:
    newborns = Newborns()
    newborns.weighed(10, (weight.TOO_HEAVY, 9))
    assert newborns.alike(10) is None
    newborns.weighed(10, (7, 2))
    assert (newborns.alike(10), newborns.alike(11), newborns.alike(0)) == ((7, 2), None, (7, 2))


def test_what_cannot_be_weighed_does_not_fit(runs: Runs) -> None:
    made = runs.make(refuses_to_be_looked_at, 1, 2)
    cache = Cache(1 << 40, flow.Metrics(CollectorRegistry()))
    with structlog.testing.capture_logs() as lines:
        assert [cache.fits(held) for held in made] == [False, False]
    ((line),) = lines
    assert (line["event"], line["log_level"]) == ("run_not_weighed", "debug")


async def never_unwinds(self: Any, number: int) -> int:
    while True:
        try:
            await flow.sleep(100)
        except BaseException:
            self.log.clear()


def test_closing_is_watched_and_ends(runs: Runs) -> None:
    (held,) = runs.make(never_unwinds, 1, 1)
    held.budget_s = 0.03
    began = time.monotonic()
    with structlog.testing.capture_logs() as lines:
        held.close()
    assert time.monotonic() - began < 30
    assert [line["event"] for line in lines] == ["decision_over_budget", "decision_stuck", "run_not_unwound"]
    assert (lines[2]["run_id"], lines[2]["workflow_type"]) == ("run-0", "never_unwinds")
