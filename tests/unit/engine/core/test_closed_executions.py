"""What is said of executions that left memory, and when they go for good (spec/swf-semantics 3.5, 6.3, 10)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from elbflow import clock as clocks
from elbflow_engine import core
from elbflow_engine.testing import Bench, EngineHost, decision
from elbflow_engine.testing.bench import START, WORKFLOW_DEFAULTS

Refused = Callable[..., str]

DAY_S = 86_400


def unknown(run_id: str) -> str:
    return f"Unknown execution: WorkflowExecution=[workflowId=w, runId={run_id}]"


def closed_with_tasks(bench: Bench) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A run that was terminated under the hands of a decider and a worker."""
    run_id = bench.start()
    sample = {"name": "sample", "version": "1"}
    bench.decide(bench.poll(), decision("ScheduleActivityTask", activityId="a", activityType=sample))
    activity = bench.poll("activity", "work")
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    task = bench.poll(maximumPageSize=1)
    assert activity is not None
    assert task is not None
    bench.call("TerminateWorkflowExecution", workflowId="w")
    return run_id, activity, task


def test_who_answers_too_late_is_told_which_execution_it_was(bench: Bench, refused: Refused) -> None:
    run_id, activity, task = closed_with_tasks(bench)
    for _ in range(2):
        for outcome in ("Completed", "Failed", "Canceled"):
            assert refused("UnknownResourceFault", bench.respond, activity, outcome) == unknown(run_id)
        heartbeat = {"taskToken": activity["taskToken"], "domain": None}
        assert refused("UnknownResourceFault", bench.call, "RecordActivityTaskHeartbeat", **heartbeat) == unknown(
            run_id
        )
        assert refused("UnknownResourceFault", bench.decide, task) == unknown(run_id)
        bench.reload()
    bench.advance(30 * DAY_S)
    assert refused("UnknownResourceFault", bench.respond, activity) == "Unknown execution"
    assert refused("UnknownResourceFault", bench.decide, task) == "Unknown execution"


@pytest.mark.parametrize("closed", [False, True])
def test_another_account_learns_nothing_from_a_token(bench: Bench, closed: bool) -> None:
    bench.start()
    task = bench.poll()
    assert task is not None
    if closed:
        bench.call("TerminateWorkflowExecution", workflowId="w")
    params = {"taskToken": task["taskToken"], "decisions": []}
    with pytest.raises(core.Fault) as caught:
        bench.answer(bench.engine.call("1", "RespondDecisionTaskCompleted", params, bench.now, b"e" * 32))
    assert caught.value.message == "Unknown execution"


def test_a_late_answer_changes_nothing(bench: Bench) -> None:
    _, activity, _ = closed_with_tasks(bench)
    params = {"taskToken": activity["taskToken"]}
    transition = bench.engine.call("000000000000", "RespondActivityTaskCompleted", params, bench.now, b"e" * 32)
    assert isinstance(transition.result, core.Read)
    assert transition.changes == ()
    assert transition.offered == ()


def test_the_names_of_executions_are_those_of_their_account_and_domain(bench: Bench, refused: Refused) -> None:
    bench.call("RegisterDomain", name="other", workflowExecutionRetentionPeriodInDays="1", domain=None)
    run_id, _, _ = closed_with_tasks(bench)
    run = {"workflowId": "w", "runId": run_id}
    for operation in ("DescribeWorkflowExecution", "GetWorkflowExecutionHistory"):
        message = refused("UnknownResourceFault", bench.call, operation, domain="other", execution=run)
        assert message == unknown(run_id)


def test_a_history_that_is_deleted_while_it_is_read(bench: Bench) -> None:
    run_id, _, _ = closed_with_tasks(bench)
    run: dict[str, core.Json] = {"execution": {"workflowId": "w", "runId": run_id}, "domain": "test"}
    read = bench.engine.call("000000000000", "GetWorkflowExecutionHistory", run, bench.now, b"e" * 32).result
    assert isinstance(read, core.Read)
    following = read.resume(bench.journal.read(read.query))
    assert isinstance(following, core.Read)
    bench.advance(30 * DAY_S + 60)
    with pytest.raises(core.Fault) as caught:
        following.resume(bench.journal.read(following.query))
    assert caught.value.message == unknown(run_id)


def test_counts_end_at_the_cap() -> None:
    bench = Bench(core.Limits(closed_count_cap=2))
    for number, expected in enumerate([(1, False), (2, False), (2, True)]):
        bench.start(f"w{number}")
        bench.call("TerminateWorkflowExecution", workflowId=f"w{number}")
        answer = bench.call("CountClosedWorkflowExecutions", closeTimeFilter={"oldestDate": 0})
        assert (answer["count"], answer["truncated"]) == expected


def test_one_look_deletes_what_ended_within_a_minute() -> None:
    """There is one instant for all executions, not one for each."""
    bench = Bench(retention="1")
    bench.purge()
    assert bench.engine.next_purge() is None
    for number in range(50):
        bench.start(f"w{number}")
        bench.call("TerminateWorkflowExecution", workflowId=f"w{number}")
        bench.advance(0.1)
    first = bench.engine.next_purge()
    assert first is not None
    assert START + DAY_S <= first <= START + DAY_S + 60
    bench.advance(first - bench.now - 0.001)
    assert len(bench.journal.closed()) == 50
    bench.start("late")
    bench.call("TerminateWorkflowExecution", workflowId="late")
    bench.advance(0.001)
    assert [row.workflow_id for row in bench.journal.closed()] == ["late"]
    again = bench.engine.next_purge()
    assert again is not None
    assert first + DAY_S - 60 <= again <= first + DAY_S + 60


def test_what_closes_while_the_journal_is_asked_is_not_forgotten() -> None:
    bench = Bench(retention="1")
    question = bench.engine.retention_over(bench.now)
    assert question is not None
    found = bench.journal.read(question)
    bench.start()
    bench.call("TerminateWorkflowExecution", workflowId="w")
    bench.commit(bench.engine.purge(found))
    assert bench.engine.next_purge() is not None
    bench.advance(DAY_S + 60)
    assert not bench.journal.closed()


def test_an_engine_looks_for_what_is_over_when_it_starts() -> None:
    bench = Bench(retention="1")
    bench.start()
    bench.call("TerminateWorkflowExecution", workflowId="w")
    bench.now += 2 * DAY_S
    bench.reload()
    assert bench.purge() == 1
    assert not bench.journal.closed()
    assert bench.engine.next_purge() is None


def test_nothing_of_closed_executions_stays_in_memory() -> None:
    bench = Bench()
    world = bench.engine._world
    for number in range(3000):
        bench.start(f"w{number}", executionStartToCloseTimeout="31536000")
        bench.call("TerminateWorkflowExecution", workflowId=f"w{number}")
    assert (world.open, world.current) == ({}, {})
    by_start = world.domains["000000000000", "test"].open_by_start
    assert list(by_start.between((0, ""), (1 << 62, ""), newest_first=True)) == []
    assert len(world.deadlines) <= 4096
    assert world.matching.ready_tasks() == {}
    bench.reload()
    assert len(bench.engine._world.deadlines) == 0


async def test_retention_ends_on_virtual_time_too() -> None:
    clock = clocks.ManualClock(START)
    host = EngineHost(clock, random.Random(1))
    host.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "3"})
    host.call("RegisterWorkflowType", {"domain": "d", "name": "t", "version": "1", **WORKFLOW_DEFAULTS})
    sample = {"name": "t", "version": "1"}
    for number in range(3):
        name = f"w{number}"
        host.call("StartWorkflowExecution", {"domain": "d", "workflowId": name, "workflowType": sample})
        host.call("TerminateWorkflowExecution", {"domain": "d", "workflowId": name})
        await clock.advance(DAY_S)
    assert len(host.journal.closed()) == 3
    await clock.advance(60)
    assert [row.workflow_id for row in host.journal.closed()] == ["w1", "w2"]
    host.restart()
    await clock.advance(5 * DAY_S)
    assert not host.journal.closed()
    assert list(host.journal.history(1)) == []
    await host.aclose()
