"""Decisions over their time: reported at the budget, stopped at the limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from elbflow import flow
from elbflow.flow import watchdog


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
        assert dog.problem() is None
    ticks.now_s += 60
    dog.look()
    assert (lines, overruns) == ([], [])


def test_over_budget_it_is_reported_once_with_its_stack(dog: watchdog.Watchdog, ticks: Ticks, lines: list[Any]) -> None:
    overruns: list[str] = []
    with dog.watched("run-7", "Slow", budget_s=0.5, on_overrun=lambda: overruns.append("r")):
        for _ in range(3):
            ticks.now_s += 0.6
            dog.look()
        assert dog.problem() == "the decision of Slow run run-7 has taken 1.8 s"
    assert dog.problem() is None
    assert overruns == ["r"]
    (line,) = lines
    assert (line["event"], line["workflow_type"], line["run_id"]) == ("decision_over_budget", "Slow", "run-7")
    assert line["seconds"] == 0.6
    assert any("test_over_budget_it_is_reported_once_with_its_stack" in place for place in line["stack"])


def test_an_error_of_the_decision_is_passed_on(dog: watchdog.Watchdog) -> None:
    with pytest.raises(KeyError), dog.watched("r", "T"):
        raise KeyError("bug")
    assert dog.problem() is None


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


def _spin(self: Any) -> None:
    while True:
        self.log.append(len(self.log))
        self.log.pop()


def _stubborn(self: Any) -> None:
    for _ in range(2):
        try:
            _spin(self)
        except watchdog.DecisionStuck:
            self.log.append("again")


@pytest.mark.parametrize("spin", [_spin, _stubborn])
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
    assert any("_spin" in place for place in lines[0]["stack"])
    assert sum(range(20_000)) == 199_990_000  # nothing more is raised here


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
