"""Each end of a poll has one class."""

from __future__ import annotations

import pytest

from elbflow import swf
from elbflow.polling import Outcome, outcome
from elbflow.polling.hold import LearnedHold

FAULTS = [
    (swf.Throttled(), Outcome.THROTTLED),
    (swf.LimitExceeded(), Outcome.LIST_LIMIT),
    (swf.UnknownResource(), Outcome.UNKNOWN_RESOURCE),
    (swf.Unauthenticated(), Outcome.AUTH),
    (swf.Denied(), Outcome.DENIED),
    (swf.Invalid(), Outcome.INVALID),
    (swf.ConnectFailed(), Outcome.CONNECT),
    (swf.Ambiguous(), Outcome.AMBIGUOUS),
    (swf.Unavailable(), Outcome.SERVER),
    (KeyError("bug"), Outcome.DEFECT),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[row[1].value for row in FAULTS])
def test_faults(fault: Exception, expected: Outcome) -> None:
    assert outcome.of_error(fault, 1.0, may_be_stale=True) is expected


@pytest.mark.parametrize(
    ("duration_s", "may_be_stale", "expected"),
    [(0.01, True, Outcome.STALE), (0.06, True, Outcome.AMBIGUOUS), (0.01, False, Outcome.AMBIGUOUS)],
)
def test_a_loss_within_milliseconds_is_a_closed_idle_connection(
    duration_s: float, may_be_stale: bool, expected: Outcome
) -> None:
    assert outcome.of_error(swf.Ambiguous(), duration_s, may_be_stale=may_be_stale) is expected


def test_empty_answers_are_full_or_early() -> None:
    hold = LearnedHold(58.0)
    assert outcome.of_empty(58.0, hold) is Outcome.FULL_EMPTY
    assert outcome.of_empty(0.02, hold) is Outcome.EARLY_EMPTY


def test_hold_is_the_profiles_until_five_samples() -> None:
    hold = LearnedHold(60.0)
    for _ in range(4):
        hold.observe(30.0)
    assert hold.hold_s == 60.0
    assert hold.early_below_s == 20.0
    hold.observe(30.0)
    assert hold.hold_s == 30.0
    assert hold.early_below_s == pytest.approx(24.0)


def test_hold_is_the_ninetieth_percentile_of_the_last_twenty() -> None:
    hold = LearnedHold(60.0)
    for duration_s in [59.0] * 20 + [30.0] * 18 + [40.0] * 2:
        hold.observe(duration_s)
    assert hold.hold_s == 30.0
    hold.observe(41.0)
    assert hold.hold_s == 40.0


def test_early_answers_never_teach_that_early_is_normal() -> None:
    hold = LearnedHold(58.0)
    for _ in range(100):
        hold.observe(1.0)
    assert hold.hold_s == 58.0
    assert hold.is_early(1.0)


def test_a_short_profile_has_a_short_threshold() -> None:
    assert LearnedHold(2.0).early_below_s == 1.0
