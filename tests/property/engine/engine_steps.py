"""Steps of the machine that the model foretells and checks."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine
from tests.property.engine.engine_inputs import LIMITS, SPARE
from tests.property.engine.engine_model import Known, Model
from tests.property.engine.engine_snapshot import snapshot

from elbflow_engine import core, histories
from elbflow_engine.testing import Bench

UNKNOWN, ALREADY = "UnknownResourceFault", "TypeAlreadyExistsFault"

# What becomes of the spare type, by action and state: the next state, or a fault.
TYPE_RULES = {
    ("Register", "unknown"): "REGISTERED",
    ("Register", "REGISTERED"): ALREADY,
    ("Register", "DEPRECATED"): ALREADY,
    ("Deprecate", "unknown"): UNKNOWN,
    ("Deprecate", "REGISTERED"): "DEPRECATED",
    ("Deprecate", "DEPRECATED"): "TypeDeprecatedFault",
    ("Undeprecate", "unknown"): UNKNOWN,
    ("Undeprecate", "REGISTERED"): ALREADY,
    ("Undeprecate", "DEPRECATED"): "REGISTERED",
    ("Delete", "unknown"): UNKNOWN,
    ("Delete", "REGISTERED"): "TypeNotDeprecatedFault",
    ("Delete", "DEPRECATED"): "unknown",
}


class Steps(RuleBasedStateMachine):
    """A bench and the model that follows it; what clients hold: polled tasks and parked polls."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(LIMITS, retention="1")
        self.model = Model(self.bench)
        self.decisions: list[dict[str, Any]] = []
        self.activities: list[dict[str, Any]] = []
        self.parked: dict[int, tuple[str, str]] = {}
        self.beaten: set[tuple[int, int]] = set()

    def complete(self, task: dict[str, Any], batch: list[dict[str, Any]], sticky: str | None) -> None:
        given: dict[str, Any] = {} if sticky is None else {"taskList": {"name": "host"}}
        if sticky:
            given["taskListScheduleToStartTimeout"] = sticky
        if len(batch) % 2:
            given["executionContext"] = f"after {task['startedEventId']}"
        expected = None if self.model.is_live("decision", task) else UNKNOWN
        token = task["taskToken"]
        self.attempt(expected, "RespondDecisionTaskCompleted", domain=None, taskToken=token, decisions=batch, **given)

    def beat(self, task: dict[str, Any], details: str | None) -> None:
        live = self.model.is_live("activity", task)
        token = task["taskToken"]
        expected = None if live else UNKNOWN
        answer = self.attempt(expected, "RecordActivityTaskHeartbeat", domain=None, taskToken=token, details=details)
        if live:
            known = self.model.find(task["workflowExecution"])
            assert answer == {"cancelRequested": self.model.is_cancel_requested(task)}
            scheduled_id = histories.attributes(known.events[task["startedEventId"] - 1])["scheduledEventId"]
            self.beaten.add((known.execution_id, scheduled_id))

    def change_type(self, family: str, action: str) -> None:
        outcome = TYPE_RULES[action, self.model.types[family]]
        named = SPARE if action == "Register" else {f"{family.lower()}Type": SPARE}
        if action == "Register":
            named = named | _defaults(family)
        self.attempt(outcome if outcome.endswith("Fault") else None, f"{action}{family}Type", **named)
        if not outcome.endswith("Fault"):
            self.model.types[family] = outcome

    def park(self, key: tuple[str, str]) -> None:
        first = self.model.first(*key)
        answer = self.bench.park(*key)
        if isinstance(answer, int):
            assert not first
            self.parked[answer] = key
        else:
            self.check_task(*key, answer, first)
            (self.activities if key[0] == "activity" else self.decisions).append(answer)

    def reload(self) -> None:
        self.bench.reload()
        self.look()
        self.model.reloaded()
        self.parked.clear()

    def look(self) -> list[Known]:
        """Let the model see what happened; forget parked polls that were answered."""
        for waiter in self.parked.keys() & self.bench.delivered.keys():
            del self.parked[waiter]
        return self.model.look()

    def attempt(self, fault: str | None, operation: str, **params: Any) -> Any:
        """A command that ends with the fault the model expects, or succeeds; a fault leaves nothing changed."""
        before = None if fault is None else copy.deepcopy(snapshot(self.bench.engine))
        try:
            answer = self.bench.call(operation, **params)
        except core.Fault as raised:
            if raised.code != fault:
                raise
            unchanged = snapshot(self.bench.engine) == before
        else:
            assert fault is None, f"{operation} succeeded"
            return answer
        assert unchanged
        return None

    def unless_open(self, workflow_id: str) -> str | None:
        return UNKNOWN if self.model.current(workflow_id) is None else None

    def poll(self, kind: str, name: str, **params: Any) -> dict[str, Any] | None:
        first = self.model.first(kind, name)
        task = self.bench.poll(kind, name, **params)
        if task is None:
            assert not first
        else:
            self.check_task(kind, name, task, first)
        return task

    def check_task(self, kind: str, name: str, task: dict[str, Any], first: set[tuple[str, int, int]]) -> None:
        """It is one of those that had to come first, and tells what its history tells."""
        self.look()
        known = self.model.find(task["workflowExecution"])
        started = known.events[task["startedEventId"] - 1]
        block = histories.attributes(started)
        assert (kind, known.execution_id, block["scheduledEventId"]) in first
        assert started["eventType"] == f"{kind.capitalize()}TaskStarted"
        assert started is known.events[-1]
        if kind == "decision":
            assert task["previousStartedEventId"] == known.chronicle.decision.previous_started_id
            assert task["workflowType"] == known.chronicle.started["workflowType"]
        else:
            scheduled = histories.attributes(known.events[block["scheduledEventId"] - 1])
            assert (task["activityId"], task["activityType"]) == (scheduled["activityId"], scheduled["activityType"])

    def check_pages(self, task: dict[str, Any], task_list: str, *, previous: bool, reverse: bool) -> None:
        events, page = list(task["events"]), task
        while "nextPageToken" in page:
            given = {"taskList": {"name": task_list}, "maximumPageSize": 3}
            page = self.bench.call("PollForDecisionTask", nextPageToken=page["nextPageToken"], **given)
            assert page["taskToken"] == task["taskToken"]
            events += page["events"]
        first = task["previousStartedEventId"] if previous and task["previousStartedEventId"] else 1
        wanted = self.model.find(task["workflowExecution"]).events[first - 1 : task["startedEventId"]]
        assert events == (wanted[::-1] if reverse else wanted)

    def check_description(self, known: Known) -> None:
        detail, chronicle = self.bench.describe(known.run_id, known.workflow_id), known.chronicle
        info, items = detail["executionInfo"], chronicle.items
        assert info["executionStatus"] == ("OPEN" if known.open else "CLOSED")
        assert info["cancelRequested"] == chronicle.cancel_requested
        assert info["startTimestamp"] == known.events[0]["eventTimestamp"]
        assert info.get("closeTimestamp") == (None if known.open else known.closed_s)
        assert detail["openCounts"] == {
            "openActivityTasks": len(items.activities),
            "openDecisionTasks": int(chronicle.decision.scheduled_id > 0),
            "openTimers": len(items.timers),
            "openChildWorkflowExecutions": len(items.children),
            "openLambdaFunctions": 0,
        }
        activity = [one["eventTimestamp"] for one in known.events if one["eventType"].startswith("ActivityTask")]
        assert detail.get("latestActivityTaskTimestamp") == (activity[-1] if activity else None)
        completed = [histories.attributes(one) for one in known.events if one["eventType"] == "DecisionTaskCompleted"]
        contexts = [block["executionContext"] for block in completed if "executionContext" in block]
        assert detail.get("latestExecutionContext") == (contexts[-1] if contexts else None)

    def check_parked(self) -> None:
        """No task waits where a poll is parked, and every parked poll is where it was parked."""
        for kind, name in set(self.parked.values()):
            assert not self.model.ready(kind, name)
        assert self.bench.engine.statistics().parked == len(self.parked)

    def walk(self, operation: str, member: str, size: int, **params: Any) -> list[dict[str, Any]]:
        """All pages of a listing."""
        page = self.bench.call(operation, maximumPageSize=size, **params)
        found = list(page[member])
        while "nextPageToken" in page:
            page = self.bench.call(operation, maximumPageSize=size, nextPageToken=page["nextPageToken"], **params)
            assert page[member]
            found += page[member]
        return found

    def check_all_that_is_visible(self, listed: list[Known], workflow_id: list[str]) -> None:
        closed = [known for known in self.model.runs.values() if not known.open]
        asked = [known for known in closed if known.workflow_id in (workflow_id or [known.workflow_id])]
        found = {known.execution_id for known in listed}
        assert found >= {known.execution_id for known in asked if self.model.is_visible(known) is True}
        assert not found & {known.execution_id for known in asked if self.model.is_visible(known) is False}
        assert found <= {known.execution_id for known in asked}


def _defaults(family: str) -> dict[str, Any]:
    if family == "Activity":
        timeouts = ("ScheduleToStart", "ScheduleToClose", "StartToClose", "Heartbeat")
        return {"defaultTaskList": {"name": "work"}} | {f"defaultTask{name}Timeout": "NONE" for name in timeouts}
    return {
        "defaultTaskList": {"name": "children"},
        "defaultExecutionStartToCloseTimeout": "60",
        "defaultTaskStartToCloseTimeout": "4",
        "defaultChildPolicy": "ABANDON",
    }
