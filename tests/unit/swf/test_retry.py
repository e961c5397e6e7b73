"""Short calls are repeated only while repeating can help, and never for more than a minute."""

from __future__ import annotations

import random

import pytest

from elbflow import swf

AGAIN = [swf.ConnectFailed(), swf.Ambiguous(), swf.Unavailable(), swf.Throttled()]
NEVER = [swf.UnknownResource(), swf.Invalid(), swf.LimitExceeded(), swf.Denied(), swf.AlreadyStarted()]


@pytest.mark.parametrize("fault", AGAIN, ids=lambda fault: type(fault).__name__)
def test_transient_faults_are_repeated_up_to_the_given_tries(fault: swf.SwfError) -> None:
    plan = swf.RetryPlan(attempts=5)
    rng = random.Random(7)
    pauses = [plan.pause(fault, made, 0.0, rng) for made in range(1, 7)]
    assert [pause is None for pause in pauses] == [False, False, False, False, True, True]
    assert all(0.0 <= pause <= plan.cap_s for pause in pauses if pause is not None)


@pytest.mark.parametrize("fault", NEVER, ids=lambda fault: type(fault).__name__)
def test_decided_calls_are_not_repeated(fault: swf.SwfError) -> None:
    assert swf.RetryPlan().pause(fault, 1, 0.0, random.Random(1)) is None


@pytest.mark.parametrize("seed", range(50))
def test_answers_outlast_a_restart_of_the_service(seed: int) -> None:
    """Refused connections cost no time: five tries were over after three seconds, and the answer was lost."""
    plan = swf.RetryPlan()
    rng = random.Random(seed)
    elapsed_s, made = 0.0, 1
    while (pause := plan.pause(swf.ConnectFailed(), made, elapsed_s, rng)) is not None:
        elapsed_s, made = elapsed_s + pause, made + 1
    assert 15.0 < elapsed_s < 60.0


def test_no_try_starts_after_the_budget() -> None:
    plan = swf.RetryPlan(attempts=1000, budget_s=60.0)
    rng = random.Random(3)
    for _ in range(200):
        pause = plan.pause(swf.Unavailable(), 8, 59.0, rng)
        assert pause is None or 59.0 + pause < 60.0
    assert plan.pause(swf.Unavailable(), 1, 60.0, rng) is None


def test_pauses_grow_and_throttling_waits_longer() -> None:
    plan = swf.RetryPlan()
    rng = random.Random(11)

    def longest(fault: swf.SwfError, made: int) -> float:
        return max(plan.pause(fault, made, 0.0, rng) or 0.0 for _ in range(300))

    assert longest(swf.Unavailable(), 1) < 0.41 < longest(swf.Unavailable(), 4)
    assert longest(swf.Throttled(), 1) > 1.5
