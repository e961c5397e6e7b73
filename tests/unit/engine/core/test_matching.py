"""Task lists: order, parked polls, lost answers, limits (spec/swf-semantics 4, swf-long-poll-scale 6.1-6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision

Refused = Callable[..., str]
SAMPLE = {"name": "sample", "version": "1"}


def activity(activity_id: str, **given: Any) -> dict[str, Any]:
    return decision("ScheduleActivityTask", activityId=activity_id, activityType=SAMPLE, **given)


def scheduled(bench: Bench, *activities: dict[str, Any]) -> str:
    run_id = bench.start()
    bench.decide(bench.poll(), *activities)
    return run_id


def drained(bench: Bench) -> list[str]:
    """Ids of all activities in the order in which polls get them."""
    found = []
    while (task := bench.poll("activity", "work")) is not None:
        found.append(task["activityId"])
    return found


def test_priority_then_order_of_scheduling(bench: Bench) -> None:
    scheduled(
        bench,
        activity("a"),
        activity("b", taskPriority="5"),
        activity("c", taskPriority="-1"),
        activity("d"),
        activity("e", taskPriority="5"),
    )
    assert drained(bench) == ["b", "e", "a", "d", "c"]


def test_order_survives_a_restart(bench: Bench) -> None:
    for number in range(4):
        bench.start(f"w{number}", taskPriority="1" if number == 2 else "0")
        bench.advance(1)
    bench.reload()
    order = []
    while (task := bench.poll()) is not None:
        order.append(task["workflowExecution"]["workflowId"])
    assert order == ["w2", "w0", "w1", "w3"]


def test_decision_tasks_of_executions_are_fifo(bench: Bench) -> None:
    for number in range(3):
        bench.start(f"w{number}")
    polled = [bench.poll() for _ in range(3)]
    assert [task and task["workflowExecution"]["workflowId"] for task in polled] == ["w0", "w1", "w2"]


def test_two_pollers_one_task(bench: Bench) -> None:
    first, second = bench.park(), bench.park()
    assert isinstance(first, int)
    assert isinstance(second, int)
    bench.start()
    assert set(bench.delivered) == {first}
    assert bench.engine.statistics().parked == 1
    bench.start("v")
    assert set(bench.delivered) == {first, second}


def test_dropped_waiters_get_nothing(bench: Bench) -> None:
    gone, alive = bench.park(), bench.park()
    assert isinstance(gone, int)
    bench.engine.drop_waiter(gone)
    bench.engine.drop_waiter(gone)
    bench.start()
    assert set(bench.delivered) == {alive}


def test_tasks_are_invisible_until_published(bench: Bench) -> None:
    waiter = bench.park()
    params: dict[str, Any] = {"domain": "test", "workflowId": "w", "workflowType": SAMPLE}
    transition = bench.engine.call("000000000000", "StartWorkflowExecution", params, bench.now, b"e" * 32)
    assert bench.poll() is None
    assert bench.delivered == {}
    bench.commit(transition)
    assert set(bench.delivered) == {waiter}


def test_a_task_closed_before_publishing_is_not_offered(bench: Bench) -> None:
    params: dict[str, Any] = {"domain": "test", "workflowId": "w", "workflowType": SAMPLE}
    transition = bench.engine.call("000000000000", "StartWorkflowExecution", params, bench.now, b"e" * 32)
    late = bench.engine.call(
        "000000000000", "TerminateWorkflowExecution", {"domain": "test", "workflowId": "w"}, bench.now, b"f" * 32
    )
    bench.commit(transition)
    bench.commit(late)
    assert bench.poll() is None


def test_kinds_and_lists_are_independent(bench: Bench) -> None:
    bench.start()
    assert bench.poll("activity", "main") is None
    assert bench.poll(task_list="other") is None
    assert bench.poll() is not None


@pytest.mark.parametrize("kind", ["decision", "activity"])
def test_lost_answers_are_undone(bench: Bench, kind: str) -> None:
    run_id = scheduled(bench, activity("a", scheduleToStartTimeout="50", startToCloseTimeout="20"), activity("b"))
    if kind == "decision":
        bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    before, detail = bench.history(run_id), bench.describe(run_id)
    bench.advance(1)
    task_list = "main" if kind == "decision" else "work"
    lost = bench.poll(kind, task_list)
    undone = bench.engine.undo_handoff(list(bench.handoffs.values())[-1], bench.now)
    assert undone is not None
    bench.commit(undone)
    assert bench.history(run_id) == before
    assert bench.describe(run_id) == detail
    again = bench.poll(kind, task_list)
    assert again is not None
    assert lost is not None
    assert again["startedEventId"] == lost["startedEventId"]
    assert again.get("activityId") == lost.get("activityId")
    bench.reload()
    assert bench.history(run_id)[:-1] == before


def test_undone_tasks_still_time_out_unstarted(bench: Bench) -> None:
    run_id = scheduled(bench, activity("a", scheduleToStartTimeout="50", startToCloseTimeout="100"))
    bench.advance(30)
    bench.poll("activity", "work")
    bench.advance(10)
    undone = bench.engine.undo_handoff(list(bench.handoffs.values())[-1], bench.now)
    assert undone is not None
    bench.commit(undone)
    bench.advance(60)
    timed_out = bench.history(run_id)[5]["activityTaskTimedOutEventAttributes"]
    assert timed_out["timeoutType"] == "SCHEDULE_TO_START"


def test_undo_meets_the_next_waiter(bench: Bench) -> None:
    first, second = bench.park(), bench.park()
    assert isinstance(first, int)
    bench.start()
    undone = bench.engine.undo_handoff(bench.handoffs[first], bench.now)
    assert undone is not None
    bench.commit(undone)
    assert set(bench.delivered) == {first, second}


def test_too_late_to_undo(bench: Bench) -> None:
    bench.start()
    bench.poll()
    handoff = list(bench.handoffs.values())[-1]
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    assert bench.engine.undo_handoff(handoff, bench.now) is None
    bench.call("TerminateWorkflowExecution", workflowId="w")
    assert bench.engine.undo_handoff(handoff, bench.now) is None
    assert bench.engine.undo_handoff(core.Transition(), bench.now) is None


def test_poll_limits(refused: Refused) -> None:
    bench = Bench(core.Limits(parked_polls_per_list=2, parked_polls=3))
    for _ in range(2):
        assert isinstance(bench.park(), int)
    refused("LimitExceededFault", bench.park)
    assert isinstance(bench.park(task_list="other"), int)
    assert refused("ThrottlingException", bench.park, task_list="third") == "Rate exceeded"
    bench.start(taskList={"name": "ready"})
    assert isinstance(bench.park(task_list="ready"), dict)


def test_unknown_domain(bench: Bench, refused: Refused) -> None:
    assert refused("UnknownResourceFault", bench.poll, domain="none") == "Unknown domain: none"


def test_count_pending() -> None:
    bench = Bench(core.Limits(pending_count_cap=2))
    pending = {"taskList": {"name": "work"}}
    assert bench.call("CountPendingActivityTasks", **pending) == {"count": 0, "truncated": False}
    scheduled(bench, activity("a"), activity("b"), activity("c"))
    assert bench.call("CountPendingActivityTasks", **pending) == {"count": 2, "truncated": True}
    bench.poll("activity", "work")
    assert bench.call("CountPendingActivityTasks", **pending) == {"count": 2, "truncated": False}
    assert bench.call("CountPendingDecisionTasks", taskList={"name": "main"})["count"] == 0


def test_queued_decision_tasks_are_not_pending(bench: Bench) -> None:
    bench.start()
    bench.poll()
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    assert bench.call("CountPendingDecisionTasks", taskList={"name": "main"})["count"] == 0


def test_withdrawn_tasks_leave_no_trace(bench: Bench) -> None:
    scheduled(bench, activity("keep"), *(activity(f"{n}", scheduleToStartTimeout="1") for n in range(300)))
    bench.advance(2)
    assert drained(bench) == ["keep"]
    assert [entry.backlog for entry in bench.engine.statistics().lists] == [1]


def test_statistics(bench: Bench) -> None:
    bench.start()
    bench.park(task_list="other")
    statistics = bench.engine.statistics()
    assert (statistics.open_executions, statistics.parked) == (1, 1)
    lists = {entry.name: (entry.kind, entry.backlog, entry.parked) for entry in statistics.lists}
    assert lists == {"main": ("decision", 1, 0), "other": ("decision", 0, 1)}


def test_a_task_whose_worker_sent_a_heartbeat_is_not_undone(bench: Bench) -> None:
    """The answer did arrive, whatever its connection said: a second worker must not get the task."""
    scheduled(bench, activity("a"))
    task = bench.poll("activity", "work")
    assert task is not None
    bench.call("RecordActivityTaskHeartbeat", taskToken=task["taskToken"], domain=None)
    assert bench.engine.undo_handoff(list(bench.handoffs.values())[-1], bench.now) is None
    bench.respond(task)
