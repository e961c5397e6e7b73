"""Decisions over their time: reported at the budget, stopped at the limit."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from elbflow import flow
from elbflow.flow import watchdog
from elbflow.flow.core import decide
from elbflow.testing import SwfRun


class Ticks:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def dog(ticks: Ticks) -> watchdog.Watchdog:
    return watchdog.Watchdog(ticks, threaded=False)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def test_within_its_budget_a_decision_is_not_mentioned(dog: watchdog.Watchdog, ticks: Ticks, lines: list[Any]) -> None:
    overruns: list[str] = []
    with dog.watched("r", "T", on_overrun=lambda: overruns.append("r")):
        ticks.now_s += watchdog.BUDGET_S
        dog.look()
    ticks.now_s += 60
    dog.look()
    assert (lines, overruns) == ([], [])


def test_over_budget_it_is_reported_once_with_its_stack(dog: watchdog.Watchdog, ticks: Ticks, lines: list[Any]) -> None:
    overruns: list[str] = []
    with dog.watched("run-7", "Slow", budget_s=0.5, on_overrun=lambda: overruns.append("r")):
        for _ in range(3):
            ticks.now_s += 0.6
            dog.look()
    ticks.now_s += 60
    dog.look()
    assert overruns == ["r"]
    (line,) = lines
    assert (line["event"], line["workflow_type"], line["run_id"]) == ("decision_over_budget", "Slow", "run-7")
    assert line["seconds"] == 0.6
    assert "test_over_budget_it_is_reported_once_with_its_stack\n" in line["stack"]


@pytest.mark.parametrize(
    "renderer", [structlog.dev.ConsoleRenderer(), structlog.processors.JSONRenderer()], ids=["console", "json"]
)
def test_any_log_takes_the_report(
    dog: watchdog.Watchdog, ticks: Ticks, monkeypatch: pytest.MonkeyPatch, renderer: Any
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(watchdog, "_log", structlog.wrap_logger(structlog.PrintLogger(written), [renderer]))
    with dog.watched("run-7", "Slow"):
        ticks.now_s += watchdog.BUDGET_S + 1
        dog.look()
    assert "decision_over_budget" in written.getvalue()
    assert "in test_any_log_takes_the_report" in written.getvalue()


def test_an_error_of_the_decision_is_passed_on(dog: watchdog.Watchdog, ticks: Ticks, lines: list[Any]) -> None:
    with pytest.raises(KeyError), dog.watched("r", "T"):
        raise KeyError("bug")
    ticks.now_s += 60
    dog.look()
    assert lines == []


def test_past_the_limit_the_decision_does_not_count_even_when_it_ends(
    dog: watchdog.Watchdog, ticks: Ticks, lines: list[Any]
) -> None:

    def decide() -> None:
        with dog.watched("r", "T"):
            ticks.now_s += watchdog.BUDGET_S * watchdog.LIMIT_BUDGETS + 1
            dog.look()  # no workflow code runs here, so nothing is raised in this thread
            dog.look()

    with pytest.raises(watchdog.DecisionStuck):
        decide()
    assert [line["event"] for line in lines] == ["decision_over_budget", "decision_stuck"]


def _spin(self: Any) -> bool:
    while True:
        self.log.append(len(self.log))
        self.log.pop()


def _careless(self: Any) -> None:
    while True:
        with contextlib.suppress(Exception):
            _spin(self)


def _stubborn(self: Any) -> None:
    for _ in range(2):
        try:
            _spin(self)
        except BaseException:
            self.log.append("again")


@pytest.mark.parametrize("spin", [_spin, _careless, _stubborn])
def test_a_workflow_that_never_yields_is_stopped(programs: Any, lines: list[Any], spin: Any) -> None:
    async def body(self: Any, number: int) -> int:
        spin(self)
        return number

    dog = watchdog.Watchdog()
    overruns: list[float] = []
    began = time.monotonic()
    with (
        pytest.raises(watchdog.DecisionStuck),
        dog.watched("r", "T", budget_s=0.05, on_overrun=lambda: overruns.append(1)),
    ):
        programs.run(body).decide()
    assert time.monotonic() - began < 10
    assert overruns == [1]
    assert [line["event"] for line in lines] == ["decision_over_budget", "decision_stuck"]
    assert "in _spin" in lines[0]["stack"]
    assert sum(range(20_000)) == 199_990_000  # nothing more is raised here


SPINNING = flow.WorkflowSignature("Spinning", "1", str, int, timedelta(hours=1), timedelta(seconds=60))
NEWS = flow.SignalSignature("news", int)


@flow.workflow(SPINNING)
class Spinning:
    """Spins where its input says."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.place = ""

    async def run(self, place: str) -> int:
        self.place = place
        if place == "wait_for":
            await asyncio.wait_for(self.step(), 10)
        elif place == "predicate":
            await flow.wait_condition(lambda: _spin(self))
        await flow.sleep(60)
        return 1

    async def step(self) -> None:
        _spin(self)

    @flow.signal(NEWS)
    def news(self, value: int) -> None:
        if self.place == "signal":
            _spin(self)

    @flow.query
    def looks(self) -> int:
        if self.place == "query":
            _spin(self)
        return 1


@pytest.mark.parametrize("place", ["wait_for", "predicate", "signal", "query"])
def test_it_is_stopped_wherever_the_runtime_calls_it(place: str) -> None:
    history = SwfRun(SPINNING.type, flow.encode("" if place == "signal" else place, str))
    run = decide.Run(Spinning)
    if place == "signal":
        history.respond(run.decide(history.poll()).decisions)
        assert run.instance is not None
        run.instance.workflow.place = place
        history.signal("news", "1")
    began = time.monotonic()
    with pytest.raises(watchdog.DecisionStuck), watchdog.Watchdog().watched("r", "T", budget_s=0.03):
        run.decide(history.poll()[run.started_id :])
    assert time.monotonic() - began < 7
    run.close()


def test_the_user_who_gives_up_is_heard(dog: watchdog.Watchdog, ticks: Ticks) -> None:
    def decide() -> None:
        with dog.watched("r", "T"):
            ticks.now_s += watchdog.BUDGET_S * watchdog.LIMIT_BUDGETS + 1
            dog.look()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decide()


class _Broken:
    """A log that cannot be written."""

    def error(self, event: str, **fields: Any) -> None:
        raise ValueError("I/O operation on closed file")


def test_a_broken_log_keeps_nothing_from_happening(
    dog: watchdog.Watchdog, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_log", _Broken())
    overruns: list[str] = []

    def decide() -> None:
        with dog.watched("r", "T", on_overrun=lambda: overruns.append("r")):
            ticks.now_s += watchdog.BUDGET_S * watchdog.LIMIT_BUDGETS + 1
            dog.look()

    with pytest.raises(watchdog.DecisionStuck):
        decide()
    assert overruns == ["r"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> watchdog.Watchdog:
    monkeypatch.setattr(watchdog, "_ROUND_S", 0.01)
    return watchdog.Watchdog()


def _overruns(dog: watchdog.Watchdog, then: Callable[[], Any] = bool) -> bool:
    """Whether a decision over its budget is noticed."""
    noticed = threading.Event()

    def note() -> None:
        noticed.set()
        then()

    with dog.watched("r", "T", budget_s=1.0, on_overrun=note):
        for decision in dog._open.values():
            decision.began_s -= 2
        return noticed.wait(2)


def test_an_error_of_what_it_calls_is_logged_and_it_goes_on(hasty: watchdog.Watchdog, lines: list[Any]) -> None:
    def bad() -> None:
        raise ValueError("metrics are gone")

    assert _overruns(hasty, bad)
    looking = hasty._thread
    assert _overruns(hasty)
    assert hasty._thread is looking
    (line,) = [line for line in lines if line["event"] == "watchdog_failed"]
    assert "metrics are gone" in line["error"]


def test_an_error_of_its_own_is_logged_and_it_goes_on(
    hasty: watchdog.Watchdog, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = hasty.look, threading.Event()

    def look() -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("dictionary changed size during iteration")
        real()

    monkeypatch.setattr(hasty, "look", look)
    assert _overruns(hasty)
    assert failed.is_set()
    assert [line["event"] for line in lines] == ["watchdog_failed", "decision_over_budget"]


def test_it_is_started_again_when_it_is_dead(hasty: watchdog.Watchdog) -> None:
    dead = threading.Thread(target=bool)  # as a forked process finds it
    dead.start()
    dead.join()
    hasty._thread = dead
    assert _overruns(hasty)
    assert hasty._thread is not dead


def test_other_workflows_are_decided_as_ever_afterwards(programs: Any) -> None:
    async def stuck(self: Any, number: int) -> int:
        _spin(self)
        return number

    async def fine(self: Any, number: int) -> int:
        return int(await programs.double(number))

    dog = watchdog.Watchdog()
    with pytest.raises(watchdog.DecisionStuck), dog.watched("r", "T", budget_s=0.05):
        programs.run(stuck).decide()
    assert programs.value(fine, 4) == 8


def test_one_thread_watches_and_only_while_decisions_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_ROUND_S", 0.01)
    monkeypatch.setattr(watchdog, "_IDLE_ROUNDS", 3)
    dog = watchdog.Watchdog()
    seen = set()
    for _ in range(5):
        with dog.watched("r", "T"):
            seen.add(dog._thread)
    assert len(seen) == 1
    (thread,) = seen
    assert isinstance(thread, threading.Thread)
    thread.join(5)
    assert not thread.is_alive()
    with dog.watched("r", "T"):
        again = dog._thread
    assert again is not None
    assert again is not thread
    again.join(5)


def test_a_stuck_decision_is_a_defect() -> None:
    assert issubclass(watchdog.DecisionStuck, flow.WorkflowDefect)


def test_watching_costs_next_to_nothing() -> None:
    dog = watchdog.Watchdog(threaded=False)
    began = time.perf_counter()
    for _ in range(2_000):
        with dog.watched("r", "T"):
            pass
    assert (time.perf_counter() - began) / 2_000 < 100e-6
