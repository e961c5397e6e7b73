"""Which of several endpoints is used: decided from faults and answers alone (spec/swf-long-poll-scale 5.9)."""

from __future__ import annotations

import socket

import pytest

from elbflow import swf
from elbflow.swf.endpoint_choice import BREAK_AFTER, GOOD_FOR_S, Choice, by_preference, is_local
from elbflow.swf.tries import Pool

REFUSED = swf.ConnectFailed()
POLLS, CALLS = Pool.POLLS, Pool.CALLS


def test_the_first_is_used_until_it_accepts_no_connection() -> None:
    choice = Choice(3)
    assert choice.pick() == 0
    assert choice.failed(0, REFUSED, life=0, pool=CALLS)
    assert not choice.failed(0, REFUSED, life=0, pool=CALLS), "it is given up once"
    assert (choice.pick(), choice.down()) == (1, [0])


@pytest.mark.parametrize("fault", [swf.Unavailable(), swf.Ambiguous()], ids=["server", "lost"])
def test_other_faults_count_when_nothing_is_answered_between(fault: swf.SwfError) -> None:
    choice = Choice(2)
    for _ in range(BREAK_AFTER - 1):
        assert not choice.failed(0, fault, life=0, pool=CALLS)
    choice.answered(0, 0.0, CALLS)
    for _ in range(BREAK_AFTER - 1):
        assert not choice.failed(0, fault, life=0, pool=CALLS)
    assert choice.failed(0, fault, life=0, pool=CALLS)
    assert choice.pick() == 1


def test_it_is_back_after_fifteen_seconds_of_answers() -> None:
    choice = Choice(2)
    choice.failed(0, REFUSED, life=0, pool=CALLS)
    assert not choice.answered(0, 100.0)
    choice.failed(0, REFUSED, life=0, pool=CALLS)
    assert not choice.answered(0, 110.0)
    assert not choice.answered(0, 110.0 + GOOD_FOR_S - 0.1), "a fault between starts the time anew"
    assert choice.answered(0, 110.0 + GOOD_FOR_S)
    assert choice.pick() == 0


def test_one_that_failed_polls_is_back_when_it_answers_a_poll_and_not_before() -> None:
    choice = Choice(2)
    for _ in range(BREAK_AFTER):
        choice.failed(0, swf.Unavailable(), life=0, pool=POLLS)
    for at in range(0, int(3 * GOOD_FOR_S), 3):
        assert not choice.answered(0, float(at)), "a probe is no poll"
    now = 3 * GOOD_FOR_S
    assert choice.take(CALLS, now) == (1, False)
    assert choice.take(POLLS, now) == (0, True), "one poll on trial"
    assert choice.take(POLLS, now) == (1, False), "and no other meanwhile"
    choice.failed(0, swf.Unavailable(), life=0, pool=POLLS)
    choice.trial_ended(0)
    choice.answered(0, now)
    assert choice.take(POLLS, now) == (1, False), "it must answer for a while first"
    now += GOOD_FOR_S
    assert choice.take(POLLS, now) == (0, True)
    assert choice.answered(0, now, POLLS)
    choice.trial_ended(0)
    assert (choice.take(POLLS, now), choice.down()) == ((0, False), [])


@pytest.mark.parametrize(("failing", "answered"), [(POLLS, CALLS), (CALLS, POLLS)], ids=["polls", "calls"])
def test_one_kind_of_calls_that_succeeds_does_not_hide_that_the_other_fails(failing: Pool, answered: Pool) -> None:
    choice = Choice(2)
    for number in range(BREAK_AFTER):
        assert choice.pick() == 0
        choice.answered(0, float(number), answered)
        given_up = choice.failed(0, swf.Ambiguous(), life=0, pool=failing)
    assert given_up
    assert choice.health[0].suspect is failing


def test_faults_from_before_it_came_back_do_not_count() -> None:
    choice = Choice(2)
    for _ in range(BREAK_AFTER):
        choice.failed(0, swf.Unavailable(), life=0, pool=POLLS)
    choice.answered(0, 0.0)
    choice.failed(0, swf.Unavailable(), life=0, pool=CALLS)
    choice.answered(0, 1.0)
    assert choice.answered(0, 1.0 + GOOD_FOR_S, POLLS)
    for pool in (POLLS, CALLS):
        assert not any(choice.failed(0, swf.Unavailable(), life=1, pool=pool) for _ in range(BREAK_AFTER - 1))


def test_what_began_before_it_came_back_tells_nothing() -> None:
    choice = Choice(2)
    choice.failed(0, REFUSED, life=0, pool=CALLS)
    choice.answered(0, 0.0)
    choice.answered(0, GOOD_FOR_S)
    assert choice.health[0].life == 1
    assert not choice.failed(0, REFUSED, life=0, pool=CALLS)
    assert choice.pick() == 0
    assert choice.failed(0, REFUSED, life=1, pool=CALLS)


def test_when_none_is_left_all_are_tried_and_the_first_answer_counts_at_once() -> None:
    choice = Choice(2)
    choice.failed(0, REFUSED, life=0, pool=CALLS)
    choice.failed(1, REFUSED, life=0, pool=CALLS)
    assert [choice.pick(), choice.pick({0}), choice.pick({0, 1})] == [0, 1, None]
    assert choice.answered(1, 5.0)
    assert (choice.pick(), choice.down()) == (1, [0])


def test_endpoints_of_this_machine_come_first_and_none_twice() -> None:
    far, other = "http://192.0.2.1:8080", "http://swf.example.org"
    here, named = "http://127.0.0.1:1", f"http://{socket.gethostname()}:2"
    assert by_preference([far, here, other, named, far]) == (here, named, far, other)
    assert is_local("https://[::1]:443")
    assert is_local("http://LOCALHOST")
