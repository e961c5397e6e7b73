"""Short lives of executions that together produce everything this engine can write into a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision
from elbflow_engine.testing.bench import ACCOUNT

Event = dict[str, Any]
Scenario = Callable[[], Bench]

SAMPLE = {"name": "sample", "version": "1"}
OTHERS = {"name": "others"}
ACTIVITY = decision("ScheduleActivityTask", activityId="a", activityType=SAMPLE)
TIMER = decision("StartTimer", timerId="t", startToFireTimeout="60")
CHILD = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE, taskList=OTHERS)
SIGNAL = decision("SignalExternalWorkflowExecution", workflowId="other", signalName="s")
CANCEL = decision("RequestCancelExternalWorkflowExecution", workflowId="other")
LAMBDA = decision("ScheduleLambdaFunction", id="l", name="f")
COMPLETE = decision("CompleteWorkflowExecution")
CONTINUE = decision("ContinueAsNewWorkflowExecution")
CLOSING = (COMPLETE, decision("FailWorkflowExecution"), decision("CancelWorkflowExecution"), CONTINUE)
OPENING = (
    ACTIVITY,
    decision("RequestCancelActivityTask", activityId="a"),
    decision("RecordMarker", markerName="m"),
    TIMER,
    decision("CancelTimer", timerId="t"),
    SIGNAL,
    CANCEL,
    CHILD,
    LAMBDA,
)

SCENARIOS: list[Scenario] = []


def scenario(live: Scenario) -> Scenario:
    SCENARIOS.append(live)
    return live


def events_of(bench: Bench) -> Iterator[Event]:
    """All events of all executions, from the journal."""
    execution_id = 1
    while events := bench.journal.history(execution_id):
        yield from (orjson.loads(event) for event in events)
        execution_id += 1


def attributes(event: Event) -> dict[str, Any]:
    """The attribute block of an event."""
    kind = event["eventType"]
    block: dict[str, Any] = event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]
    return block


def decide_denied(bench: Bench, task: dict[str, Any] | None, *decisions: dict[str, Any], denied: set[str]) -> None:
    """Complete a decision task as a caller who may not make some decisions."""
    assert task is not None
    params = {"taskToken": task["taskToken"], "decisions": list(decisions)}
    operation = "RespondDecisionTaskCompleted"
    bench.commit(bench.engine.call(ACCOUNT, operation, params, bench.now, b"e" * 32, denied=frozenset(denied)))


def signal(bench: Bench, workflow_id: str = "w") -> None:
    bench.call("SignalWorkflowExecution", workflowId=workflow_id, signalName="s")


def first_completion(*decisions: dict[str, Any], limits: core.Limits | None = None) -> Bench:
    bench = Bench(limits)
    bench.start()
    bench.decide(bench.poll(), *decisions)
    return bench


@scenario
def nothing_is_permitted() -> Bench:
    bench = Bench()
    denied = {made["decisionType"] for made in (*OPENING, *CLOSING)}
    for number, closing in enumerate(CLOSING):
        bench.start(f"w{number}")
        decide_denied(bench, bench.poll(), *OPENING, closing, denied=denied)
    return bench


@scenario
def everything_is_unknown() -> Bench:
    other = {"name": "none", "version": "1"}
    return first_completion(
        decision("ScheduleActivityTask", activityId="a", activityType=other),
        decision("RequestCancelActivityTask", activityId="a"),
        decision("CancelTimer", timerId="t"),
        decision("StartChildWorkflowExecution", workflowId="c", workflowType=other),
        SIGNAL,
        CANCEL,
        LAMBDA,
        decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="9"),
    )


@scenario
def everything_is_deprecated() -> Bench:
    bench = Bench()
    bench.start()
    bench.call("DeprecateDomain", name="test", domain=None)
    bench.decide(bench.poll(), ACTIVITY, CHILD, CONTINUE)
    return bench


@scenario
def no_activity_default_is_defined() -> Bench:
    bench = Bench()
    bench.call("RegisterActivityType", name="bare", version="1")
    given: dict[str, Any] = {"activityId": "a", "activityType": {"name": "bare", "version": "1"}}
    decisions = []
    for name in ("taskList", "scheduleToStartTimeout", "scheduleToCloseTimeout", "startToCloseTimeout", ""):
        decisions.append(decision("ScheduleActivityTask", **given))
        given[name] = {"name": "x"} if name == "taskList" else "1"
    bench.start()
    bench.decide(bench.poll(), *decisions)
    return bench


@scenario
def no_workflow_default_is_defined() -> Bench:
    bench = Bench()
    bench.call("RegisterWorkflowType", name="sample", version="2")
    values = {"executionStartToCloseTimeout": "9", "taskList": OTHERS, "taskStartToCloseTimeout": "9"}
    given: dict[str, Any] = {}
    for number, (name, value) in enumerate([*values.items(), ("", "")]):
        child = {"workflowId": "c", "workflowType": {"name": "sample", "version": "2"}}
        bench.start(f"w{number}")
        bench.decide(
            bench.poll(),
            decision("StartChildWorkflowExecution", **child, **given),
            decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="2", **given),
        )
        given[name] = value
    return bench


@scenario
def everything_is_in_use() -> Bench:
    bench = Bench()
    bench.start("c", taskList=OTHERS)
    bench.start()
    bench.decide(bench.poll(), ACTIVITY, ACTIVITY, TIMER, TIMER, CHILD)
    return bench


@scenario
def every_limit_is_reached() -> Bench:
    limits = core.Limits(open_activities=0, open_timers=0, open_children=0)
    return first_completion(ACTIVITY, TIMER, CHILD, limits=limits)


@scenario
def no_execution_may_open() -> Bench:
    return first_completion(CHILD, limits=core.Limits(open_executions=1))


@scenario
def everything_is_too_fast() -> Bench:
    bench = Bench(core.Limits(throttle_scale=0.00001))
    bench.start("other", taskList=OTHERS)
    bench.start()
    again = [
        decision("ScheduleActivityTask", activityId="b", activityType=SAMPLE),
        decision("StartTimer", timerId="u", startToFireTimeout="9"),
        decision("StartChildWorkflowExecution", workflowId="d", workflowType=SAMPLE, taskList=OTHERS),
    ]
    bench.decide(bench.poll(), ACTIVITY, TIMER, CHILD, SIGNAL, CANCEL, *again, SIGNAL, CANCEL, CONTINUE)
    bench.decide(bench.poll(), CONTINUE)
    return bench


@scenario
def every_closing_decision_is_unhandled() -> Bench:
    bench = Bench()
    for number, closing in enumerate(CLOSING):
        bench.start(f"w{number}")
        task = bench.poll()
        signal(bench, f"w{number}")
        bench.decide(task, closing)
        bench.call("TerminateWorkflowExecution", workflowId=f"w{number}")
    return bench


@scenario
def children_close_in_every_way() -> Bench:
    bench = Bench()
    ways = [*CLOSING[:3], "terminate", "time out"]
    for number in range(len(ways)):
        bench.start(f"w{number}")
        child = {"workflowId": f"c{number}", "workflowType": SAMPLE, "taskList": OTHERS}
        limit = {"executionStartToCloseTimeout": "30"}
        bench.decide(bench.poll(), decision("StartChildWorkflowExecution", **child, **limit))
        task = bench.poll(task_list="others")
        way = ways[number]
        if isinstance(way, dict):
            bench.decide(task, way)
        elif way == "terminate":
            bench.call("TerminateWorkflowExecution", workflowId=f"c{number}")
    bench.advance(40)
    return bench


@scenario
def children_follow_their_parents() -> Bench:
    bench = Bench()
    for policy in ("TERMINATE", "REQUEST_CANCEL", "ABANDON"):
        bench.start(policy, childPolicy=policy, executionStartToCloseTimeout="100")
        own = {"workflowId": f"child of {policy}", "workflowType": SAMPLE, "taskList": OTHERS, "childPolicy": policy}
        bench.decide(bench.poll(), decision("StartChildWorkflowExecution", **own))
    bench.advance(100)
    for policy in ("TERMINATE", "REQUEST_CANCEL", "ABANDON"):
        bench.start(f"{policy} again", childPolicy=policy)
        bench.call("TerminateWorkflowExecution", workflowId=f"{policy} again")
    return bench


@scenario
def continuations_have_every_policy() -> Bench:
    bench = Bench()
    bench.start()
    for policy in ("TERMINATE", "REQUEST_CANCEL", "ABANDON"):
        bench.decide(bench.poll(), decision("ContinueAsNewWorkflowExecution", childPolicy=policy))
    return bench


@scenario
def activities_end_in_every_way() -> Bench:
    bench = Bench()
    names = ("Completed", "Failed", "Canceled")
    activities = [decision("ScheduleActivityTask", activityId=name, activityType=SAMPLE) for name in names]
    bench.start()
    bench.decide(bench.poll(), *activities, ACTIVITY)
    for name in names:
        bench.respond(bench.poll("activity", "work"), name)
    bench.decide(bench.poll(), decision("RequestCancelActivityTask", activityId="a"))
    return bench


@scenario
def activities_time_out_in_every_way() -> Bench:
    timeouts = ("scheduleToStartTimeout", "scheduleToCloseTimeout", "startToCloseTimeout", "heartbeatTimeout")
    bench = first_completion(
        *(decision("ScheduleActivityTask", activityId=name, activityType=SAMPLE, **{name: "5"}) for name in timeouts)
    )
    bench.advance(1)
    tasks = [bench.poll("activity", "work") for _ in timeouts]
    assert all(task is not None for task in tasks)
    bench.advance(1)
    late = decision("ScheduleActivityTask", activityId="late", activityType=SAMPLE, scheduleToStartTimeout="1")
    bench.advance(9)
    bench.decide(bench.poll(), late)
    bench.advance(9)
    return bench


@scenario
def decision_tasks_time_out_in_both_ways() -> Bench:
    bench = Bench()
    bench.start()
    bench.poll()
    bench.advance(60)
    bench.decide(bench.poll(), TIMER, taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    bench.advance(65)
    return bench


@scenario
def timers_fire_or_are_canceled() -> Bench:
    again = decision("StartTimer", timerId="u", startToFireTimeout="1")
    bench = first_completion(TIMER, decision("CancelTimer", timerId="t"), again)
    bench.advance(1)
    return bench


@scenario
def executions_talk() -> Bench:
    bench = Bench()
    bench.start("other", taskList=OTHERS)
    bench.start()
    bench.call("RequestCancelWorkflowExecution", workflowId="w")
    bench.decide(bench.poll(), SIGNAL, CANCEL, decision("RecordMarker", markerName="m"))
    bench.decide(bench.poll(), COMPLETE)
    return bench


@scenario
def a_history_becomes_full() -> Bench:
    bench = Bench(core.Limits(history_events=5))
    bench.start()
    for _ in range(2):
        signal(bench)
    bench.expire()
    return bench
