"""The core under random commands, time and crashes agrees with a model of it (spec/swf-semantics 3-10, 13)."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import hypothesis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.property.engine.engine_inputs import (
    CLOSING,
    LISTS,
    SAMPLE,
    batches,
    closing,
    policies,
    priorities,
    rarely,
    stickiness,
    workflow_ids,
)
from tests.property.engine.engine_model import LIST_NAMES
from tests.property.engine.engine_snapshot import snapshot
from tests.property.engine.engine_steps import UNKNOWN, Steps

from elbflow_engine import core, histories
from elbflow_engine.testing import decision

ACCOUNT = "000000000000"
ANY_TIME = {"oldestDate": 0.0, "latestDate": 4e9}


class EngineMachine(Steps):
    """Several executions, workers that answer late or never, and an engine that crashes."""

    # --- executions from outside ---------------------------------------------------------------------------

    @rule(
        workflow_id=workflow_ids,
        policy=policies,
        timeout=st.sampled_from(["5", "60", "1000"]),
        priority=rarely(priorities),
    )
    def start(self, workflow_id: str, policy: str, timeout: str, priority: list[str]) -> None:
        self.attempt(
            None if self.model.current(workflow_id) is None else "WorkflowExecutionAlreadyStartedFault",
            "StartWorkflowExecution",
            workflowId=workflow_id,
            workflowType=SAMPLE,
            childPolicy=policy,
            executionStartToCloseTimeout=timeout,
            taskStartToCloseTimeout="4",
            **({"taskPriority": priority[0]} if priority else {}),
        )

    @initialize(policy=policies, child_policy=policies, more=batches)
    def begin(self, policy: str, child_policy: str, more: list[dict[str, Any]]) -> None:
        """Two executions; the first has an activity and a child."""
        for workflow_id in ("w", "v"):
            self.start(workflow_id, policy, "1000", [])
        child = {"workflowId": "child", "workflowType": SAMPLE, "taskList": {"name": "children"}}
        first = decision("StartChildWorkflowExecution", childPolicy=child_policy, **child)
        second = decision("ScheduleActivityTask", activityId="a", activityType=SAMPLE, heartbeatTimeout="10")
        self.look()
        self.work([first, second, *more], None)

    @rule(workflow_id=workflow_ids)
    def signal(self, workflow_id: str) -> None:
        self.attempt(self.unless_open(workflow_id), "SignalWorkflowExecution", workflowId=workflow_id, signalName="s")

    @rule(workflow_id=workflow_ids)
    def request_cancel(self, workflow_id: str) -> None:
        self.attempt(self.unless_open(workflow_id), "RequestCancelWorkflowExecution", workflowId=workflow_id)

    @rule(workflow_id=workflow_ids, policy=rarely(policies))
    def terminate(self, workflow_id: str, policy: list[str]) -> None:
        for override in policy:
            expected = self.unless_open(workflow_id)
            self.attempt(expected, "TerminateWorkflowExecution", workflowId=workflow_id, childPolicy=override)

    @rule(family=st.sampled_from(["Activity", "Workflow"]), action=st.sampled_from(["Register", "Deprecate", "Delete"]))
    def change_spare_type(self, family: str, action: str) -> None:
        self.change_type(family, action)

    @rule(family=st.sampled_from(["Activity", "Workflow"]))
    def undeprecate_spare_type(self, family: str) -> None:
        self.change_type(family, "Undeprecate")

    @rule(once=rarely(st.none()))
    def deprecate_the_domain_for_a_moment(self, once: list[None]) -> None:
        if not once:
            return
        self.bench.call("DeprecateDomain", name="test", domain=None)
        self.attempt(UNKNOWN, "StartWorkflowExecution", workflowId="new", workflowType=SAMPLE)
        self.bench.call("UndeprecateDomain", name="test", domain=None)
        for family in ("Activity", "Workflow"):
            self.bench.call(f"Undeprecate{family}Type", **{f"{family.lower()}Type": SAMPLE})
            if self.model.types[family] == "REGISTERED":
                self.model.types[family] = "DEPRECATED"

    # --- deciders and workers ------------------------------------------------------------------------------

    @rule(batch=batches, sticky=stickiness)
    def work(self, batch: list[dict[str, Any]], sticky: str | None) -> None:
        """A good decider: polls what is to be decided and decides at once."""
        for task_list in LISTS:
            task = self.poll("decision", task_list)
            if task is not None:
                self.complete(task, batch, sticky)
                return

    @rule(batch=batches, end=closing)
    def work_children(self, batch: list[dict[str, Any]], end: dict[str, Any]) -> None:
        """A child has children, or continues as new, or closes."""
        task = self.poll("decision", "children")
        if task is not None:
            self.complete(task, [*(one for one in batch if one["decisionType"] not in CLOSING), end], None)

    @rule(batch=batches)
    def work_more(self, batch: list[dict[str, Any]]) -> None:
        self.work(batch, None)

    @rule(task_list=st.sampled_from(LISTS), size=st.sampled_from([0, 2]), previous=st.booleans(), reverse=st.booleans())
    def poll_decision(self, task_list: str, size: int, previous: bool, reverse: bool) -> None:
        given = {"startAtPreviousStartedEvent": previous, "reverseOrder": reverse}
        task = self.poll("decision", task_list, maximumPageSize=size, **given)
        if task is not None:
            self.check_pages(task, task_list, previous=previous, reverse=reverse)
            self.decisions.append(task)

    @rule(outcome=st.sampled_from(["Completed", "Failed", "Canceled"]), beats=st.booleans())
    def run_activity(self, outcome: str, beats: bool) -> None:
        """A good worker: polls and answers at once, or after a heartbeat and a moment."""
        task = self.poll("activity", "work")
        if task is not None:
            if beats:
                self.beat(task, None)
                self.bench.advance(0.5)
                self.look()
            expected = None if self.model.is_live("activity", task) else UNKNOWN
            self.attempt(expected, f"RespondActivityTask{outcome}", domain=None, taskToken=task["taskToken"])

    @rule()
    def poll_activity(self) -> None:
        task = self.poll("activity", "work")
        if task is not None:
            self.activities.append(task)

    @rule(key=st.sampled_from(LIST_NAMES), polls=st.integers(1, 3))
    def park_polls(self, key: tuple[str, str], polls: int) -> None:
        for _ in range(polls):
            self.park(key)

    @rule()
    def two_tasks_for_two_polls(self) -> None:
        """One unit of work wakes several polls."""
        self.park_polls(("activity", "work"), 2)
        both = [decision("ScheduleActivityTask", activityId=one, activityType=SAMPLE) for one in ("x", "y")]
        self.work(both, None)

    @precondition(lambda self: self.parked)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A parked client is gone, or its hold ended."""
        waiter = data.draw(st.sampled_from(sorted(self.parked)))
        del self.parked[waiter]
        self.bench.engine.drop_waiter(waiter)

    @rule()
    def collect(self) -> None:
        for task in self.bench.delivered.values():
            (self.activities if "activityId" in task else self.decisions).append(task)
        self.bench.delivered.clear()

    @rule(data=st.data())
    def poll_and_vanish(self, data: st.DataObject) -> None:
        """The client is gone before its answer is written."""
        busy = [key for key in LIST_NAMES if self.model.ready(*key)]
        if busy:
            assert self.poll(*data.draw(st.sampled_from(busy))) is not None
            self.lose_an_answer()

    @precondition(lambda self: self.bench.handoffs)
    @rule()
    def lose_an_answer(self) -> None:
        """Un-start (4.2): possible exactly while the Started event is the last and nothing used the task."""
        waiter, transition = self.bench.handoffs.popitem()
        assert transition.started is not None
        kind, execution_id, scheduled_id = transition.started
        possible = self.model.started_last(kind, execution_id, scheduled_id)
        undone = self.bench.engine.undo_handoff(transition, self.bench.now)
        assert (undone is not None) == (possible and (execution_id, scheduled_id) not in self.beaten)
        if undone is not None:
            self.bench.commit(undone)
            self.bench.delivered.pop(waiter, None)

    @precondition(lambda self: self.decisions)
    @rule(data=st.data(), batch=batches, sticky=stickiness)
    def decide(self, data: st.DataObject, batch: list[dict[str, Any]], sticky: str | None) -> None:
        """A slow decider answers a task polled some time ago."""
        self.complete(self.decisions.pop(data.draw(st.integers(0, len(self.decisions) - 1))), batch, sticky)

    @precondition(lambda self: self.activities)
    @rule(data=st.data(), outcome=st.sampled_from(["Completed", "Failed", "Canceled"]))
    def respond(self, data: st.DataObject, outcome: str) -> None:
        task = data.draw(st.sampled_from(self.activities))
        expected = None if self.model.is_live("activity", task) else UNKNOWN
        self.attempt(expected, f"RespondActivityTask{outcome}", domain=None, taskToken=task["taskToken"])

    @precondition(lambda self: self.activities)
    @rule(data=st.data(), details=st.sampled_from([None, "x"]))
    def heartbeat(self, data: st.DataObject, details: str | None) -> None:
        self.beat(data.draw(st.sampled_from(self.activities)), details)

    # --- time and crashes ----------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.5, 2.0, 5.0]), long=rarely(st.sampled_from([100.0, 90000.0])))
    def advance(self, seconds: float, long: list[float]) -> None:
        self.bench.advance(sum(long, seconds))
        self.look()
        for known in self.model.open():
            known.chronicle.check_not_overdue(self.bench.now)

    @rule(seconds=st.sampled_from([0.5, 30.0]), back=st.booleans())
    def jump(self, seconds: float, back: bool) -> None:
        """Time moves without the deadlines being looked at, or steps back."""
        self.bench.now += -seconds if back else seconds

    @rule()
    def crash(self) -> None:
        self.bench.expire()
        before = snapshot(self.bench.engine)
        self.reload()
        assert snapshot(self.bench.engine) == before

    @rule(workflow_id=workflow_ids)
    def crash_before_the_commit(self, workflow_id: str) -> None:
        before = copy.deepcopy(snapshot(self.bench.engine))
        params = {"domain": "test", "workflowId": workflow_id, "signalName": "lost"}
        with contextlib.suppress(core.Fault):
            self.bench.engine.call(ACCOUNT, "SignalWorkflowExecution", params, self.bench.now, b"e" * 32)
        self.reload()
        assert snapshot(self.bench.engine) == before

    # --- looking -------------------------------------------------------------------------------------------

    @rule(reverse=st.booleans(), size=st.sampled_from([0, 1, 2]), workflow_id=rarely(workflow_ids))
    def list_open(self, reverse: bool, size: int, workflow_id: list[str]) -> None:
        given = {"startTimeFilter": ANY_TIME} | _only(workflow_id)
        found = self.walk("ListOpenWorkflowExecutions", "executionInfos", size, reverseOrder=reverse, **given)
        wanted = [one for one in self.model.open() if one.workflow_id in (workflow_id or [one.workflow_id])]
        wanted.sort(key=lambda known: (known.chronicle.start_ms, known.run_id), reverse=not reverse)
        assert [info["execution"]["runId"] for info in found] == [known.run_id for known in wanted]
        assert self.bench.call("CountOpenWorkflowExecutions", **given) == {"count": len(wanted), "truncated": False}

    @rule(
        reverse=st.booleans(), size=st.sampled_from([0, 1, 2]), by_close=st.booleans(), workflow_id=rarely(workflow_ids)
    )
    def list_closed(self, reverse: bool, size: int, by_close: bool, workflow_id: list[str]) -> None:
        given = {"closeTimeFilter" if by_close else "startTimeFilter": ANY_TIME} | _only(workflow_id)
        found = self.walk("ListClosedWorkflowExecutions", "executionInfos", size, reverseOrder=reverse, **given)
        listed = [self.model.find(info["execution"]) for info in found]
        assert listed == sorted(
            listed,
            key=lambda known: (known.chronicle.last_ms if by_close else known.chronicle.start_ms, known.run_id),
            reverse=not reverse,
        )
        self.check_all_that_is_visible(listed, workflow_id)
        assert self.bench.call("CountClosedWorkflowExecutions", **given)["count"] == len(listed)

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), reverse=st.booleans(), size=st.sampled_from([0, 1, 3]))
    def read_a_history(self, data: st.DataObject, reverse: bool, size: int) -> None:
        known = self.model.runs[data.draw(st.sampled_from(sorted(self.model.runs)))]
        given = {"execution": {"workflowId": known.workflow_id, "runId": known.run_id}, "reverseOrder": reverse}
        visible = self.model.is_visible(known)
        if visible is False:
            self.attempt(UNKNOWN, "GetWorkflowExecutionHistory", **given)
        elif visible:
            found = self.walk("GetWorkflowExecutionHistory", "events", size, **given)
            assert found == (known.events[::-1] if reverse else known.events)

    @invariant()
    def everything_agrees(self) -> None:
        try:
            for known in self.look():
                if self.model.is_visible(known):
                    self.check_description(known)
            for kind, name in LIST_NAMES:
                ready = self.model.ready(kind, name)
                counted = self.bench.call(f"CountPending{kind.capitalize()}Tasks", taskList={"name": name})
                assert counted == {"count": len(ready), "truncated": False}, (kind, name, ready)
            self.check_parked()
        except AssertionError:
            hypothesis.note(self.model.show())
            raise

    def teardown(self) -> None:
        self.crash()
        visible = {
            (known.workflow_id, known.run_id): known.events
            for known in self.model.runs.values()
            if self.model.is_visible(known)
        }
        histories.check_together(visible)
        for kind, name in LIST_NAMES:
            for _ in self.model.ready(kind, name):
                assert self.poll(kind, name) is not None
            assert self.poll(kind, name) is None


def _only(workflow_id: list[str]) -> dict[str, Any]:
    return {"executionFilter": {"workflowId": workflow_id[0]}} if workflow_id else {}


EngineMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, print_blob=True)
TestEngine = EngineMachine.TestCase
