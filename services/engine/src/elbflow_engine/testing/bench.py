"""The bare core on a bench: every step by hand, time as a number, answers as parsed JSON."""

from __future__ import annotations

import itertools
from typing import Any

import orjson

from elbflow_engine import core
from elbflow_engine.testing.memory import MemoryJournal

ACCOUNT = "000000000000"
DOMAIN = "test"
START = 1_700_000_000.0

WORKFLOW_DEFAULTS: dict[str, Any] = {
    "defaultTaskList": {"name": "main"},
    "defaultExecutionStartToCloseTimeout": "3600",
    "defaultTaskStartToCloseTimeout": "60",
    "defaultChildPolicy": "TERMINATE",
}
ACTIVITY_DEFAULTS: dict[str, Any] = {
    "defaultTaskList": {"name": "work"},
    "defaultTaskScheduleToStartTimeout": "NONE",
    "defaultTaskScheduleToCloseTimeout": "NONE",
    "defaultTaskStartToCloseTimeout": "NONE",
    "defaultTaskHeartbeatTimeout": "NONE",
}


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    """A decision in wire form."""
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


class Bench:
    """An engine with a domain ``test``, a workflow type and an activity type ``sample``/``1``.

    ``now`` moves only by :meth:`advance`. Answers of polls that were parked end up in ``delivered`` by waiter.
    """

    def __init__(self, limits: core.Limits | None = None, *, retention: str = "30") -> None:
        self.now = START
        self.journal = MemoryJournal()
        self.delivered: dict[int, dict[str, Any]] = {}
        self.handoffs: dict[int, core.Transition] = {}
        self._limits = limits or core.Limits()
        self._entropy = itertools.count(1)
        self._waiters = itertools.count(1)
        self.engine = core.Engine(self._limits, b"secret")
        self.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays=retention, domain=None)
        self.call("RegisterWorkflowType", name="sample", version="1", **WORKFLOW_DEFAULTS)
        self.call("RegisterActivityType", name="sample", version="1", **ACTIVITY_DEFAULTS)

    def call(self, operation: str, **params: Any) -> Any:
        """One operation, committed and published. ``domain`` is added; None leaves a member out."""
        transition = self.engine.call(ACCOUNT, operation, _params(params), self.now, self._next_entropy())
        self.commit(transition)
        return self.answer(transition)

    def poll(self, kind: str = "decision", task_list: str = "main", **params: Any) -> dict[str, Any] | None:
        """A poll that does not wait: a task or None."""
        answer = self.park(kind, task_list, **params)
        if isinstance(answer, int):
            self.engine.drop_waiter(answer)
            return None
        return answer

    def park(self, kind: str = "decision", task_list: str = "main", **params: Any) -> dict[str, Any] | int:
        """A poll that waits: a task, or the number of the waiter."""
        waiter = next(self._waiters)
        operation = f"PollFor{kind.capitalize()}Task"
        outcome = self.engine.poll(
            ACCOUNT, operation, _params(params | {"taskList": {"name": task_list}}), self.now, waiter
        )
        if isinstance(outcome, core.Parked):
            return waiter
        self.commit(outcome)
        self.handoffs[waiter] = outcome
        answer: dict[str, Any] = self.answer(outcome)
        return answer

    def commit(self, *transitions: core.Transition) -> None:
        """Make transitions durable in their order, publish them, and do the same with what parked polls got."""
        for transition in transitions:
            self.journal.apply(transition.changes)
        for transition in transitions:
            handoffs = self.engine.publish(transition, self.now)
            self.commit(*(handoff.transition for handoff in handoffs))
            for handoff in handoffs:
                self.handoffs[handoff.waiter] = handoff.transition
                self.delivered[handoff.waiter] = self.answer(handoff.transition)

    def answer(self, transition: core.Transition) -> Any:
        """The answer as the client would parse it."""
        result = transition.result
        while isinstance(result, core.Read):
            result = result.resume(self.journal.read(result.query))
        body = core.render(result)
        return orjson.loads(body) if body else None

    def advance(self, seconds: float) -> None:
        """Move time, firing every deadline at its own instant; what is over is purged."""
        target = self.now + seconds
        while (instant := self._next()) is not None and instant <= target:
            self.now = max(self.now, instant)
            self.expire()
            self.purge()
        self.now = target

    def expire(self) -> None:
        """Fire what is due now."""
        self.commit(*self.engine.expire(self.now))

    def purge(self) -> int:
        """Delete what is to be deleted now; returns in how many units."""
        units = 0
        while (deleted := self.purge_unit()) is not None:
            units += deleted > 0
        return units

    def purge_unit(self) -> int | None:
        """One unit of deleting; returns from how many executions, None when it is not time to look."""
        question = self.engine.retention_over(self.now)
        if question is None:
            return None
        transition = self.engine.purge(self.journal.read(question))
        self.commit(transition)
        return len(transition.changes)

    def reload(self) -> None:
        """Crash and load the journal into a new engine; parked polls are gone."""
        self.engine = core.Engine(self._limits, b"secret")
        self.engine.load(self.journal.rows(), self.journal.history)

    def start(self, workflow_id: str = "w", **params: Any) -> str:
        """Start an execution of the sample type and return its run id."""
        given = {"workflowType": {"name": "sample", "version": "1"}} | params
        run_id: str = self.call("StartWorkflowExecution", workflowId=workflow_id, **given)["runId"]
        return run_id

    def decide(self, task: dict[str, Any] | None, *decisions: dict[str, Any], **params: Any) -> None:
        """Complete a decision task."""
        assert task is not None, "there was no decision task"
        self.call(
            "RespondDecisionTaskCompleted",
            taskToken=task["taskToken"],
            decisions=list(decisions),
            domain=None,
            **params,
        )

    def respond(self, task: dict[str, Any] | None, outcome: str = "Completed", **params: Any) -> None:
        """Answer an activity task."""
        assert task is not None, "there was no activity task"
        self.call(f"RespondActivityTask{outcome}", taskToken=task["taskToken"], domain=None, **params)

    def history(self, run_id: str, workflow_id: str = "w") -> list[dict[str, Any]]:
        """All events of a run."""
        execution = {"workflowId": workflow_id, "runId": run_id}
        page = self.call("GetWorkflowExecutionHistory", execution=execution)
        events: list[dict[str, Any]] = page["events"]
        while "nextPageToken" in page:
            page = self.call("GetWorkflowExecutionHistory", execution=execution, nextPageToken=page["nextPageToken"])
            events += page["events"]
        return events

    def describe(self, run_id: str, workflow_id: str = "w") -> dict[str, Any]:
        detail: dict[str, Any] = self.call(
            "DescribeWorkflowExecution", execution={"workflowId": workflow_id, "runId": run_id}
        )
        return detail

    def _next(self) -> float | None:
        instants = [self.engine.next_deadline(), self.engine.next_purge()]
        return min((instant for instant in instants if instant is not None), default=None)

    def _next_entropy(self) -> bytes:
        return next(self._entropy).to_bytes(32, "big")


def _params(params: dict[str, Any]) -> dict[str, Any]:
    named = {"domain": DOMAIN} | params
    return {name: value for name, value in named.items() if value is not None}
