"""Hints for pollers (spec/swf-long-poll-scale 6.12)."""

from __future__ import annotations

import math

import pytest

from elbflow_engine.wire import hints

NONE = hints.Backlog(0, 0.0)
FRESH = hints.Backlog(3, 0.1)
LATE = hints.Backlog(3, 0.3)
LIST = ("000000000000", "PollForDecisionTask", "house", "main")


@pytest.mark.parametrize(
    ("header", "held"),
    [("5", 5), ("58", 58), ("30", 30), ("1", 5), ("0", 5), ("999", 58), (None, math.inf), ("", math.inf)]
    + [(nonsense, math.inf) for nonsense in ("-5", "5.5", "ten", "1e1", " 6", "99999999999", "٥")],
)
def test_the_wished_hold(header: str | None, held: float) -> None:
    assert hints.hold_s(header) == held


@pytest.mark.parametrize(
    ("waited_s", "backlog", "advice"),
    [(0.0, NONE, 0), (0.9, FRESH, 0), (1.0, NONE, -1), (58.0, FRESH, -1), (0.0, LATE, 1), (2.0, LATE, 1)],
)
def test_what_is_advised(waited_s: float, backlog: hints.Backlog, advice: int) -> None:
    assert hints.Scaling().advice(LIST, waited_s, backlog, 100.0) == advice


def test_ten_hints_per_second_and_list() -> None:
    scaling = hints.Scaling()
    assert [scaling.advice(LIST, 0.0, LATE, 100.0 + n / 100) for n in range(15)] == [1] * 10 + [None] * 5
    assert scaling.advice((*LIST[:3], "other"), 0.0, LATE, 100.5) == 1
    assert scaling.advice(LIST, 0.0, LATE, 101.0) == 1


def test_lists_that_were_not_polled_lately_are_forgotten() -> None:
    scaling = hints.Scaling()
    for number in range(hints.MOST_LISTS + 100):
        scaling.advice((str(number),), 0.0, NONE, number / 1000)
    assert len(scaling._given) < 2000


def test_the_backlog_in_words() -> None:
    assert str(hints.Backlog(7, 1.2345)) == "7;age=1234"
