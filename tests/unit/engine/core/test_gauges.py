"""What metrics ask the core (spec/swf-long-poll-scale 6.13) and whose a request is (6.7)."""

from __future__ import annotations

from elbflow_engine.testing import Bench, decision
from elbflow_engine.testing.bench import ACCOUNT, DOMAIN


def test_the_oldest_ready_task_ages_until_it_is_taken() -> None:
    bench = Bench()
    assert bench.engine.gauges(bench.now, 5).oldest_ready_s == 0.0
    bench.start("first")
    bench.advance(10)
    bench.start("second")
    bench.advance(5)
    assert bench.engine.gauges(bench.now, 5).oldest_ready_s == 15.0
    bench.poll()
    assert bench.engine.gauges(bench.now, 5).oldest_ready_s == 5.0
    bench.reload()
    assert bench.engine.gauges(bench.now, 5).oldest_ready_s == 5.0
    bench.poll()
    assert bench.engine.gauges(bench.now, 5).oldest_ready_s == 0.0


def test_lists_are_counted_by_domain_and_the_longest_are_named() -> None:
    bench = Bench()
    for name in "abc":
        bench.start(name)
    bench.park("activity", "quiet")
    bench.park("activity", "busy")
    bench.park("activity", "busy")
    gauges = bench.engine.gauges(bench.now, 1)
    assert gauges.by_domain == {(DOMAIN, "decision"): (0, 3), (DOMAIN, "activity"): (3, 0)}
    assert [(one.name, one.parked) for one in gauges.most_parked] == [("busy", 2)]
    assert [(one.name, one.backlog) for one in gauges.most_ready] == [("main", 3)]
    assert (gauges.open_executions, gauges.parked, gauges.deadlines) == (3, 3, 3)
    assert bench.engine.gauges(bench.now, 0).most_parked == ()


def test_a_request_belongs_to_the_domain_it_names_or_its_token_stands_for() -> None:
    bench = Bench()
    bench.start()
    task = bench.poll()
    assert task is not None
    token = {"taskToken": task["taskToken"]}
    assert bench.engine.domain_of(ACCOUNT, {"domain": DOMAIN}) == DOMAIN
    assert bench.engine.domain_of(ACCOUNT, token) == DOMAIN
    for params in ({"domain": "made-up"}, {"domain": 7}, {"taskToken": "forged"}, {"name": DOMAIN}, {}):
        assert bench.engine.domain_of(ACCOUNT, params) == ""
    assert bench.engine.domain_of("999999999999", token) == ""
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert bench.engine.domain_of(ACCOUNT, token) == ""


def test_a_fired_deadline_says_when_it_was_due() -> None:
    bench = Bench()
    bench.start(executionStartToCloseTimeout="60")
    due = bench.engine.next_deadline()
    earliest = bench.engine.earliest_deadline()
    assert due is not None
    assert earliest is not None
    assert earliest <= due
    (fired,) = bench.engine.expire(due + 2.5)
    assert fired.due == due
