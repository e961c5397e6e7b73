"""Cutting histories into decisions, by the reference traces of spec/swf-semantics 8.1."""

from __future__ import annotations

from typing import Any

from elbflow import swf
from elbflow.flow.core import events


def history(*rows: str | tuple[str, dict[str, Any]]) -> list[swf.HistoryEvent]:
    made = []
    for number, row in enumerate(rows, 1):
        kind, attributes = (row, {}) if isinstance(row, str) else row
        made.append(swf.HistoryEvent(number, kind, 1000.0 + number, attributes))
    return made


def shape(batch: events.Batch) -> tuple[int, list[int], list[int] | None]:
    recorded = None if batch.recorded is None else [event.id for event in batch.recorded]
    return batch.started.id, [event.id for event in batch.news], recorded


def dtc(number: int) -> dict[str, Any]:
    return {"decisionTaskCompletedEventId": number}


SIMPLE = (
    "WorkflowExecutionStarted",
    "DecisionTaskScheduled",
    "DecisionTaskStarted",
    "DecisionTaskCompleted",
    ("ActivityTaskScheduled", dtc(4)),
    "ActivityTaskStarted",
    "ActivityTaskCompleted",
    "DecisionTaskScheduled",
    "DecisionTaskStarted",
)


def test_a_simple() -> None:
    cut = [shape(batch) for batch in events.batches(history(*SIMPLE))]
    assert cut == [(3, [1], [5]), (9, [6, 7], None)]


def test_b_events_during_a_decision_belong_to_the_next() -> None:
    rows = (
        *SIMPLE,
        "ActivityTaskCompleted",
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "DecisionTaskCompleted",
        ("TimerStarted", dtc(13)),
        "DecisionTaskStarted",
    )
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut == [(3, [1], [5]), (9, [6, 7], [14]), (15, [10, 12], None)]


def test_c_a_refused_close_never_happened() -> None:
    rows = (
        *SIMPLE,
        "WorkflowExecutionSignaled",
        "DecisionTaskScheduled",
        "DecisionTaskCompleted",
        ("CompleteWorkflowExecutionFailed", dtc(12)),
        "DecisionTaskStarted",
    )
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut == [(3, [1], [5]), (14, [6, 7, 10, 13], None)]


def test_d_a_decision_that_timed_out_never_happened() -> None:
    rows = (
        "WorkflowExecutionStarted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        ("DecisionTaskTimedOut", {"startedEventId": 3, "timeoutType": "START_TO_CLOSE"}),
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        ("DecisionTaskTimedOut", {"startedEventId": 6, "timeoutType": "START_TO_CLOSE"}),
        "DecisionTaskScheduled",
        "WorkflowExecutionSignaled",
        "DecisionTaskStarted",
    )
    assert [shape(batch) for batch in events.batches(history(*rows))] == [(10, [1, 9], None)]


def test_a_decision_started_again_without_a_word_never_happened_before() -> None:
    rows = ("WorkflowExecutionStarted", "DecisionTaskStarted", "WorkflowExecutionSignaled", "DecisionTaskStarted")
    assert [shape(batch) for batch in events.batches(history(*rows))] == [(4, [1, 3], None)]


def test_g_a_sticky_expiry_changes_nothing() -> None:
    rows = (
        *SIMPLE[:8],
        ("DecisionTaskTimedOut", {"startedEventId": 0, "timeoutType": "SCHEDULE_TO_START"}),
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    )
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut == [(3, [1], [5]), (11, [6, 7], None)]


def test_h_failures_answer_a_decision_and_are_news_for_the_next() -> None:
    rows = (
        *SIMPLE[:4],
        ("ScheduleActivityTaskFailed", dtc(4)),
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    )
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut == [(3, [1], [5]), (7, [5], None)]


def test_a_cancellation_without_link_is_news() -> None:
    rows = (
        *SIMPLE,
        "DecisionTaskCompleted",
        ("ActivityTaskCancelRequested", dtc(10)),
        "ActivityTaskCanceled",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    )
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut[1:] == [(9, [6, 7], [11]), (14, [12], None)]


def test_an_answered_history_has_no_open_decision() -> None:
    rows = (*SIMPLE, "DecisionTaskCompleted", ("WorkflowExecutionCompleted", dtc(10)))
    cut = [shape(batch) for batch in events.batches(history(*rows))]
    assert cut == [(3, [1], [5]), (9, [6, 7], [11])]
    assert list(events.batches(history("WorkflowExecutionStarted"))) == []
    assert events.patches(history(("MarkerRecorded", {"markerName": "other", "details": "x"}))) == frozenset()
