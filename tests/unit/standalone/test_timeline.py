from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from elbflow_standalone import timeline


def _event(number: int, kind: str, at: float, **attributes: object) -> dict[str, Any]:
    return {
        "eventId": number,
        "eventType": kind,
        "eventTimestamp": datetime.fromtimestamp(1_700_000_000 + at, UTC),
        f"{kind[0].lower()}{kind[1:]}EventAttributes": attributes,
    }


HISTORY = [
    _event(1, "WorkflowExecutionStarted", 0.0, workflowType={"name": "CreateLoadBalancer", "version": "1.0"}),
    _event(2, "DecisionTaskScheduled", 0.0),
    _event(3, "DecisionTaskStarted", 0.1, scheduledEventId=2),
    _event(4, "DecisionTaskCompleted", 0.2, scheduledEventId=2, startedEventId=3),
    _event(5, "ActivityTaskScheduled", 0.2, activityType={"name": "LoadBalancingActivities.iamRoleSetup"}),
    _event(6, "ActivityTaskStarted", 0.3, scheduledEventId=5),
    _event(7, "ActivityTaskCompleted", 0.5, scheduledEventId=5, startedEventId=6),
    _event(8, "TimerStarted", 0.5, startToFireTimeout="1"),
    _event(9, "TimerFired", 1.5, startedEventId=8),
    _event(10, "WorkflowExecutionCompleted", 2.0),
]


def test_bars_carry_waiting_and_running_times() -> None:
    activity, timer = timeline.bars(HISTORY, 1_700_000_000)
    assert (activity.label, activity.outcome) == ("iamRoleSetup", "completed")
    assert [round(moment or 0, 1) for moment in (activity.scheduled, activity.started, activity.ended)] == [
        0.2,
        0.3,
        0.5,
    ]
    assert (timer.label, timer.outcome) == ("timer 1 s", "fired")


def test_picture_names_the_workflow_and_every_bar() -> None:
    picture = timeline.render(HISTORY).splitlines()
    assert picture[0] == "CreateLoadBalancer: 10 events, 1 decisions, 2000 ms, WorkflowExecutionCompleted"
    assert len(picture) == 3
    assert "█" in picture[1]
    assert picture[2].endswith("fired")


def test_open_activity_is_drawn_to_the_end() -> None:
    picture = timeline.render(HISTORY[:6])
    assert picture.splitlines()[1].endswith("open")
