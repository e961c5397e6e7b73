"""The arithmetic of lists beyond the budget, and what it says when it does not fit (spec/swf-long-poll-scale 5.11)."""

from __future__ import annotations

import pytest

from elbflow.polling import bound as bounds
from elbflow.polling.bound import Mode, Situation


def test_enough_connections_mean_no_wait() -> None:
    made = bounds.of(Situation(200, 200, 58.0))
    assert (made.mode, made.worst_s, made.mean_s) == (Mode.ENOUGH, 0.0, 0.0)
    assert made.arithmetic == "200 task lists share 200 connections: every list has a poll of its own"


@pytest.mark.parametrize(
    ("lists", "worst_s", "mean_s"),
    [(300, 58.0, 100 / 300 * 29.0), (1000, 5 * 58.0, 0.8 * 2.5 * 58.0)],
)
def test_turns_alone(lists: int, worst_s: float, mean_s: float) -> None:
    made = bounds.of(Situation(lists, 200, 58.0))
    assert (made.mode, made.in_order, made.hold_s) == (Mode.ROTATION, 180, 58.0)
    assert made.worst_s == worst_s
    assert made.mean_s == pytest.approx(mean_s)


def test_shorter_holds_make_turns_come_round_faster() -> None:
    made = bounds.of(Situation(1000, 200, 58.0, asks=True, probes_per_s=50.0))
    assert made.mode is Mode.HOLD_HINT
    assert made.hold_s == 12.0, "58 s x 200 / 1000, in whole seconds"
    assert made.worst_s == 5 * 12.0


@pytest.mark.parametrize(("lists", "hold_s", "asked_s"), [(10_000, 58.0, 5.0), (201, 58.0, 58.0), (300, 4.0, 4.0)])
def test_what_is_asked_stays_within_what_can_be_asked(lists: int, hold_s: float, asked_s: float) -> None:
    assert bounds.asked_hold_s(Situation(lists, 200, hold_s, asks=True)) == asked_s


def test_probing_counts_only_where_a_sweep_is_faster_than_turns() -> None:
    slow = bounds.of(Situation(1000, 200, 58.0, probes_per_s=1.0))
    assert (slow.mode, slow.sweep_s, slow.worst_s) == (Mode.PROBING, 810.0, slow.turns_s)
    fast = bounds.of(Situation(1000, 200, 58.0, probes_per_s=50.0))
    assert fast.worst_s == fast.sweep_s == 810 / 50


def test_too_few_connections_to_keep_one_for_lists_with_work() -> None:
    made = bounds.of(Situation(6, 3, 58.0, probes_per_s=50.0))
    assert (made.in_order, made.worst_s) == (3, 58.0)


def test_no_connection_at_all() -> None:
    made = bounds.of(Situation(1, 0, 58.0))
    assert made.mode is Mode.NONE
    assert made.worst_s == bounds.NEVER
    assert bounds.connections_for(made.situation, bounds.NEVER) == 1


def test_the_sentence_shows_every_number() -> None:
    made = bounds.of(Situation(50, 10, 58.0, probes_per_s=2.0))
    assert made.arithmetic == (
        "50 task lists share 10 connections, 9 of them in turn, each for up to 58 s, so 41 lists wait: "
        "ceil(41 / 9) x 58 s = 290 s; 41 lists / 2 probes per s = 20 s; worst 20 s, mean 8 s"
    )


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("limit_s", [10.0, 58.0, 100.0, 200.0])
def test_the_advised_number_of_connections_is_enough_and_no_more(limit_s: float, asks: bool) -> None:
    given = Situation(300, 20, 58.0, asks=asks)
    needed = bounds.connections_for(given, limit_s)
    assert bounds.of(Situation(300, needed, 58.0, asks=asks)).worst_s <= limit_s
    assert needed == 20 or bounds.of(Situation(300, needed - 1, 58.0, asks=asks)).worst_s > limit_s
