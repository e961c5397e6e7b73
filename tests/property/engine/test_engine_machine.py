"""The core under random commands, time and crashes keeps its promises (spec/swf-semantics 13)."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision, histories

SAMPLE = {"name": "sample", "version": "1"}
WORKFLOWS = ("w", "v", "u")
LISTS = ("main", "host", "children")
LIMITS = core.Limits(history_events=60, open_activities=3, open_timers=3, open_children=2, purge_batch=20)
EXPECTED = {"UnknownResourceFault", "WorkflowExecutionAlreadyStartedFault"}

stickiness = st.sampled_from([None, None, None, "2", "NONE"])
workflow_ids = st.sampled_from(WORKFLOWS)
small = st.sampled_from(["NONE", "NONE", "NONE", "0", "3", "10"])
policies = st.sampled_from(["TERMINATE", "REQUEST_CANCEL", "ABANDON"])


def rarely(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Usually an empty list, else one element."""
    return st.integers(0, 5).flatmap(lambda n: st.lists(strategy, min_size=n == 5, max_size=n == 5))


closing = st.one_of(
    st.builds(
        decision, st.sampled_from(["CompleteWorkflowExecution", "FailWorkflowExecution", "CancelWorkflowExecution"])
    ),
    st.builds(decision, st.just("ContinueAsNewWorkflowExecution"), childPolicy=policies),
)
ordinary = st.one_of(
    st.builds(
        decision,
        st.just("ScheduleActivityTask"),
        activityId=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
        activityType=st.sampled_from([SAMPLE, SAMPLE, SAMPLE, {"name": "none", "version": "1"}]),
        scheduleToStartTimeout=small,
        scheduleToCloseTimeout=small,
        startToCloseTimeout=small,
        heartbeatTimeout=small,
        taskPriority=st.sampled_from(["0", "1", "-1"]),
    ),
    st.builds(decision, st.just("RequestCancelActivityTask"), activityId=st.sampled_from(["a", "b", "c"])),
    st.builds(
        decision,
        st.just("StartTimer"),
        timerId=st.sampled_from(["s", "t"]),
        startToFireTimeout=st.sampled_from(["0", "2", "20"]),
    ),
    st.builds(decision, st.just("CancelTimer"), timerId=st.sampled_from(["s", "t"])),
    st.builds(decision, st.just("RecordMarker"), markerName=st.just("m")),
    st.builds(
        decision,
        st.just("StartChildWorkflowExecution"),
        workflowId=st.sampled_from([*WORKFLOWS, "child"]),
        workflowType=st.just(SAMPLE),
        taskList=st.just({"name": "children"}),
        childPolicy=policies,
    ),
    st.builds(decision, st.just("SignalExternalWorkflowExecution"), workflowId=workflow_ids, signalName=st.just("s")),
    st.builds(decision, st.just("RequestCancelExternalWorkflowExecution"), workflowId=workflow_ids),
    st.builds(decision, st.just("ScheduleLambdaFunction"), id=st.just("i"), name=st.just("f")),
)
batches = st.builds(lambda some, last: [*some, *last], st.lists(ordinary, min_size=1, max_size=4), rarely(closing))


class EngineMachine(RuleBasedStateMachine):
    """Several executions, workers that answer late or never, and an engine that crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(LIMITS, retention="1")
        self.decisions: list[dict[str, Any]] = []
        self.activities: list[dict[str, Any]] = []
        self.checked: dict[int, int] = {}

    @rule(workflow_id=workflow_ids, policy=policies, timeout=st.sampled_from(["5", "60", "1000"]))
    def start(self, workflow_id: str, policy: str, timeout: str) -> None:
        self.attempt(
            "StartWorkflowExecution",
            workflowId=workflow_id,
            workflowType=SAMPLE,
            childPolicy=policy,
            executionStartToCloseTimeout=timeout,
            taskStartToCloseTimeout="4",
        )

    @initialize()
    def begin(self) -> None:
        self.start("w", "REQUEST_CANCEL", "1000")

    @rule(batch=batches, sticky=stickiness)
    def work(self, batch: list[dict[str, Any]], sticky: str | None) -> None:
        """A good decider: polls and decides at once."""
        for task_list in LISTS:
            task = self.bench.poll(task_list=task_list)
            if task is not None:
                self.decisions.append(task)
                self.complete(len(self.decisions) - 1, batch, sticky)
                return

    @rule(batch=batches)
    def work_more(self, batch: list[dict[str, Any]]) -> None:
        self.work(batch, None)

    @rule(task_list=st.sampled_from(LISTS), size=st.sampled_from([0, 2]), previous=st.booleans())
    def poll_decision(self, task_list: str, size: int, previous: bool) -> None:
        task = self.bench.poll(task_list=task_list, maximumPageSize=size, startAtPreviousStartedEvent=previous)
        if task is not None:
            self.check_decision_task(task, task_list, previous)
            self.decisions.append(task)

    @rule(outcome=st.sampled_from(["Completed", "Failed", "Canceled"]))
    def run_activity(self, outcome: str) -> None:
        """A good worker: polls and answers at once."""
        task = self.bench.poll("activity", "work")
        if task is not None:
            self.attempt(f"RespondActivityTask{outcome}", domain=None, taskToken=task["taskToken"])

    @rule()
    def poll_activity(self) -> None:
        task = self.bench.poll("activity", "work")
        if task is not None:
            self.activities.append(task)

    @rule(task_list=st.sampled_from(LISTS))
    def park(self, task_list: str) -> None:
        answer = self.bench.park(task_list=task_list)
        if isinstance(answer, dict):
            self.decisions.append(answer)

    @rule()
    def collect(self) -> None:
        for task in self.bench.delivered.values():
            (self.activities if "activityId" in task else self.decisions).append(task)
        self.bench.delivered.clear()

    @rule(kind=st.sampled_from(["decision", "activity"]))
    def poll_and_vanish(self, kind: str) -> None:
        """The client is gone before its answer is written."""
        if self.bench.poll(kind, "main" if kind == "decision" else "work") is not None:
            self.lose_an_answer()

    @precondition(lambda self: self.bench.handoffs)
    @rule()
    def lose_an_answer(self) -> None:
        waiter, transition = self.bench.handoffs.popitem()
        undone = self.bench.engine.undo_handoff(transition, self.bench.now)
        if undone is not None:
            self.bench.commit(undone)
            self.bench.delivered.pop(waiter, None)

    @precondition(lambda self: self.decisions)
    @rule(data=st.data(), batch=batches, sticky=stickiness)
    def decide(self, data: st.DataObject, batch: list[dict[str, Any]], sticky: str | None) -> None:
        """A slow decider answers a task polled some time ago."""
        self.complete(data.draw(st.integers(0, len(self.decisions) - 1)), batch, sticky)

    def complete(self, number: int, batch: list[dict[str, Any]], sticky: str | None) -> None:
        task = self.decisions.pop(number)
        given = {} if sticky is None else {"taskList": {"name": "host"}, "taskListScheduleToStartTimeout": sticky}
        self.attempt("RespondDecisionTaskCompleted", domain=None, taskToken=task["taskToken"], decisions=batch, **given)

    @precondition(lambda self: self.activities)
    @rule(data=st.data(), outcome=st.sampled_from(["Completed", "Failed", "Canceled"]))
    def respond(self, data: st.DataObject, outcome: str) -> None:
        task = data.draw(st.sampled_from(self.activities))
        self.attempt(f"RespondActivityTask{outcome}", domain=None, taskToken=task["taskToken"])

    @precondition(lambda self: self.activities)
    @rule(data=st.data(), details=st.sampled_from([None, "x"]))
    def heartbeat(self, data: st.DataObject, details: str | None) -> None:
        task = data.draw(st.sampled_from(self.activities))
        self.attempt("RecordActivityTaskHeartbeat", domain=None, taskToken=task["taskToken"], details=details)

    @rule(workflow_id=workflow_ids)
    def signal(self, workflow_id: str) -> None:
        self.attempt("SignalWorkflowExecution", workflowId=workflow_id, signalName="s")

    @rule(workflow_id=workflow_ids)
    def request_cancel(self, workflow_id: str) -> None:
        self.attempt("RequestCancelWorkflowExecution", workflowId=workflow_id)

    @rule(workflow_id=workflow_ids, policy=rarely(policies))
    def terminate(self, workflow_id: str, policy: list[str]) -> None:
        for override in policy:
            self.attempt("TerminateWorkflowExecution", workflowId=workflow_id, childPolicy=override)

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 5.0]), long=rarely(st.sampled_from([100.0, 90000.0])))
    def advance(self, seconds: float, long: list[float]) -> None:
        self.bench.advance(sum(long, seconds))

    @rule(seconds=st.sampled_from([0.5, 30.0]), back=st.booleans())
    def jump(self, seconds: float, back: bool) -> None:
        """Time moves without the deadlines being looked at, or steps back."""
        self.bench.now += -seconds if back else seconds

    @rule()
    def crash(self) -> None:
        self.bench.expire()
        before = snapshot(self.bench.engine)
        self.bench.reload()
        assert snapshot(self.bench.engine) == before

    @rule(workflow_id=workflow_ids)
    def crash_before_the_commit(self, workflow_id: str) -> None:
        before = copy.deepcopy(snapshot(self.bench.engine))
        params = {"domain": "test", "workflowId": workflow_id, "signalName": "lost"}
        with contextlib.suppress(core.Fault):
            self.bench.engine.call("000000000000", "SignalWorkflowExecution", params, self.bench.now, b"e" * 32)
        self.bench.reload()
        assert snapshot(self.bench.engine) == before

    @invariant()
    def histories_are_sound(self) -> None:
        for execution_id, header in headers(self.bench.engine).items():
            stored = self.bench.journal.history(execution_id)
            if self.checked.get(execution_id) == len(stored) or header.purging:
                continue
            self.checked[execution_id] = len(stored)
            events = histories.parse(stored)
            histories.check(events)
            assert len(events) <= LIMITS.history_events
            assert (header.close_status is not None) == (events[-1]["eventType"] in histories.CLOSE)

    @invariant()
    def scheduled_tasks_are_offered(self) -> None:
        world = self.bench.engine._world
        offered = {task for tasks in world.matching.ready_tasks().values() for task in tasks}
        assert offered <= scheduled(world)
        missing = {task for task in scheduled(world) - offered if world.pollable(task) is not None}
        assert not missing

    def teardown(self) -> None:
        self.crash()
        for execution_id in list(self.bench.engine._world.open):
            assert self.bench.engine._world.open[execution_id].events == list(self.bench.journal.history(execution_id))
        for kind, task_list in [*(("decision", name) for name in LISTS), ("activity", "work")]:
            while self.bench.poll(kind, task_list) is not None:
                pass
        assert not {task for task in scheduled(self.bench.engine._world) if self.bench.engine._world.pollable(task)}

    def attempt(self, operation: str, **params: Any) -> None:
        """A command that may come too late; a fault leaves nothing changed."""
        before = copy.deepcopy(snapshot(self.bench.engine))
        try:
            self.bench.call(operation, **params)
        except core.Fault as fault:
            self.refused(fault, before)

    def refused(self, fault: core.Fault, before: dict[str, Any]) -> None:
        assert fault.code in EXPECTED, fault
        assert snapshot(self.bench.engine) == before

    def check_decision_task(self, task: dict[str, Any], task_list: str, from_previous: bool) -> None:
        events, page = list(task["events"]), task
        while "nextPageToken" in page:
            given = {"taskList": {"name": task_list}, "maximumPageSize": 3}
            page = self.bench.call("PollForDecisionTask", nextPageToken=page["nextPageToken"], **given)
            assert page["taskToken"] == task["taskToken"]
            events += page["events"]
        first = task["previousStartedEventId"] if from_previous and task["previousStartedEventId"] else 1
        assert [event["eventId"] for event in events] == list(range(first, task["startedEventId"] + 1))


def headers(engine: core.Engine) -> dict[int, Any]:
    world = engine._world
    return {key: execution.header for key, execution in world.open.items()} | world.closed


def scheduled(world: Any) -> set[core.TaskRef]:
    """Tasks that are scheduled and neither started nor queued behind a started one."""
    found = set()
    for execution in world.open.values():
        decision_task = execution.decision
        if decision_task.scheduled_id and not decision_task.started_id:
            found.add(core.TaskRef("decision", execution.id, decision_task.scheduled_id))
        for activity in execution.activities.values():
            if not activity.started_id:
                found.add(core.TaskRef("activity", execution.id, activity.scheduled_id))
    return found


def snapshot(engine: core.Engine) -> dict[str, Any]:
    """Everything an engine knows that is not a parked poll."""
    world = engine._world
    live = {}
    for entry in world.deadlines._heap:
        at_ms = world.instant(entry.kind, entry.execution_id, entry.reference)
        if at_ms is not None:
            live[entry.kind, entry.execution_id, entry.reference] = at_ms
    return {
        "domains": world.domains,
        "open": world.open,
        "closed": world.closed,
        "runs": world.runs,
        "current": world.current,
        "next": world.next_execution_id,
        "deadlines": live,
        "ready": world.matching.ready_tasks(),
    }


EngineMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=60)
TestEngine = EngineMachine.TestCase
