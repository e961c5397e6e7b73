"""The token bucket of one kind of call: its burst, its rate, and what throttling does to both."""

from __future__ import annotations

from elbflow import swf


def test_governor_lets_a_second_of_burst_through_and_then_its_rate() -> None:
    governor = swf.RateGovernor(50.0)
    now, issued = 0.0, 0
    while now < 10.0:
        ready = governor.ready_at(now)
        if ready > now:
            now = ready
            continue
        governor.take(now)
        issued += 1
    assert 545 <= issued <= 551


def test_throttling_halves_the_rate_once_per_second_and_clean_time_restores_it() -> None:
    governor = swf.RateGovernor(100.0)
    for _ in range(20):
        governor.throttled(5.0)
    assert governor.rate == 50.0
    governor.throttled(6.5)
    assert governor.rate == 25.0
    governor.ready_at(16.4)
    assert governor.rate == 25.0
    governor.ready_at(16.6)
    assert governor.rate == 30.0
    governor.ready_at(1000.0)
    assert governor.rate == 100.0


def test_the_rate_never_dies() -> None:
    governor = swf.RateGovernor(50.0)
    for second in range(30):
        governor.throttled(second * 2.0)
    assert governor.rate == 0.5


def drained(governor: swf.RateGovernor, now: float) -> int:
    """How many tokens there are at ``now``."""
    taken = 0
    while governor.ready_at(now) <= now:
        governor.take(now)
        taken += 1
    return taken


def test_a_burst_is_saved_up_and_no_more() -> None:
    governor = swf.RateGovernor(10.0, burst=35.0)
    assert drained(governor, 0.0) == 35
    assert drained(governor, 1.0) == 10
    assert drained(governor, 1000.0) == 35


def test_who_is_behind_others_waits_for_their_tokens_too() -> None:
    governor = swf.RateGovernor(10.0, burst=2.0)
    assert governor.ready_at(0.0, ahead=1) == 0.0
    assert abs(governor.ready_at(0.0, ahead=12) - 1.1) < 1e-6


def test_what_was_saved_up_is_gone_when_the_account_has_nothing_left() -> None:
    governor = swf.RateGovernor(10.0, burst=500.0)
    governor.throttled(0.0)
    assert drained(governor, 0.0) == 0
    assert drained(governor, 1.0) == 5


def test_a_share_below_one_call_still_lets_one_through() -> None:
    governor = swf.RateGovernor(0.1, burst=0.3)
    assert drained(governor, 0.0) == 1
    governor.throttled(0.0)
    assert governor.rate == 0.1
    assert drained(governor, 10.0) == 1


def test_slowing_down_keeps_to_a_part_of_the_rate_and_clean_time_raises_it_again() -> None:
    governor = swf.RateGovernor(100.0)
    governor.slow_down(0.5, now=0.0)
    governor.slow_down(0.5, now=1.0)
    assert governor.rate == 50.0
    governor.ready_at(10.0)
    assert governor.rate == 55.0
    governor.throttled(22.0)
    governor.slow_down(0.5, now=22.0)
    assert governor.rate < 50.0
