"""Who lives around the engine: load balancers, a decider, the activities service, one VM per load balancer."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from tests.simulation import scripts

from elbflow.contract import names
from elbflow_engine import core, histories
from elbflow_engine.testing import EngineDied, Simulation

DECIDERS = 4
SERVICE_WORKERS = 8
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Probabilities per call or delivery, and mean seconds between what happens to the engine; 0 = never.

    ``lost``: carried out, the answer gets lost, the caller tries again. ``repeated``: sent twice. ``missed``: a task
    reaches nobody; half of the time the engine notices and takes it back. ``twice``: a task reaches two workers.
    """

    lost: float = 0.002
    repeated: float = 0.002
    missed: float = 0.001
    twice: float = 0.002
    kill_every_s: float = 86_400.0
    step_every_s: float = 43_200.0
    longest_step_s: float = 20.0


class World:
    """Keeps everybody busy for as long as the simulation runs."""

    def __init__(self, simulation: Simulation, periods: scripts.Periods, trouble: Trouble, load_balancers: int) -> None:
        self.simulation = simulation
        self.periods = periods
        self.trouble = trouble
        self.load_balancers = load_balancers
        self.closed = 0
        self.checked_events = 0
        self.decided_at: dict[str, float] = {}
        self.happened: dict[str, int] = dict.fromkeys(("lost", "repeated", "missed", "twice", "refused"), 0)
        self._decider = scripts.Decider(periods, self._whole_history)
        simulation.on_closed = self._check_closed

    @property
    def _rng(self) -> random.Random:
        return self.simulation.rng

    def begin(self) -> None:
        """Register everything, let everybody poll, start three executions per load balancer."""
        for operation, params in scripts.registrations(self.periods):
            self.simulation.call(operation, params)
        for number in range(DECIDERS):
            self._poll("Decision", names.TASK_LIST, f"decider-{number}")
        for number in range(SERVICE_WORKERS):
            self._poll("Activity", names.TASK_LIST, f"service-{number}")
        for number in range(self.load_balancers):
            self._poll("Activity", f"vm{number}", f"vm{number}")
            for workflow in scripts.CONTINUOUS:
                begin_s = self._rng.uniform(0.0, min(3600.0, self.periods.refresh_s))
                start = {
                    "domain": names.DOMAIN,
                    "workflowId": f"{workflow.name}-vm{number}",
                    "workflowType": {"name": workflow.name, "version": workflow.version},
                }
                self.simulation.at(begin_s, functools.partial(self._send, "StartWorkflowExecution", start))
        if self.trouble.kill_every_s:
            self.simulation.at(self._some(self.trouble.kill_every_s), self._kill)
        if self.trouble.step_every_s:
            self.simulation.at(self._some(self.trouble.step_every_s), self._step)

    # --- polls and answers ---------------------------------------------------------------------------------

    def _poll(self, kind: str, task_list: str, identity: str) -> None:
        params: dict[str, Any] = {"domain": names.DOMAIN, "taskList": {"name": task_list}, "identity": identity}
        if kind == "Decision":
            params["startAtPreviousStartedEvent"] = True

        def receive(transition: core.Transition) -> None:
            self._poll(kind, task_list, identity)
            self._deliver(kind, transition)

        self.simulation.poll(f"PollFor{kind}Task", params, receive)

    def _deliver(self, kind: str, transition: core.Transition) -> None:
        """Most tasks reach one worker."""
        if self._chance("missed"):
            if self._rng.random() < 0.5:
                self._guarded(lambda: self.simulation.take_back(transition))
            return
        answer = self.simulation.answer(transition)
        for _ in range(2 if self._chance("twice") else 1):
            if kind == "Decision":
                assert isinstance(answer, core.HistoryPage)
                self._decide(answer)
            else:
                assert isinstance(answer, Mapping)
                self._work(dict(answer))

    def _decide(self, page: core.HistoryPage) -> None:
        head: dict[str, Any] = dict(page.head)
        assert page.next_page_token is None
        decisions = self._decider.decide(head, [orjson.loads(event) for event in page.events])
        self.decided_at[head["workflowExecution"]["workflowId"]] = self.simulation.now
        answer = {"taskToken": head["taskToken"], "decisions": decisions}
        self._soon(lambda: self._send("RespondDecisionTaskCompleted", answer))

    def _work(self, task: dict[str, Any]) -> None:
        step = scripts.step_of(task["input"])[0]
        done = {"taskToken": task["taskToken"], "result": task["input"]}
        if step == "status":
            self._hold(done, self.simulation.now + self.periods.status_s)
        elif step == "collect":
            self.simulation.at(self.periods.metrics_s, lambda: self._send("RespondActivityTaskCompleted", done))
        else:
            self._soon(lambda: self._send("RespondActivityTaskCompleted", done))

    def _hold(self, done: dict[str, Any], until: float) -> None:
        """A VM that has no news: one heartbeat after the other, then the report."""

        def beat() -> None:
            if self.simulation.now >= until:
                self._send("RespondActivityTaskCompleted", done)
            elif self._send("RecordActivityTaskHeartbeat", {"taskToken": done["taskToken"]}):
                self._hold(done, until)

        self.simulation.at(self.periods.heartbeat_s, beat)

    def _soon(self, action: Any) -> None:
        self.simulation.at(self._rng.uniform(0.005, 0.05), action)

    def _send(self, operation: str, params: dict[str, Any]) -> bool:
        """A short call, again after a lost answer; False when the engine does not know the task (any more)."""
        for _ in range(2 if self._chance("repeated") else 1):
            answered = self._try(operation, params)
        if answered is None:
            self.simulation.at(RETRY_S, lambda: self._send(operation, params))
        return answered is not False

    def _try(self, operation: str, params: dict[str, Any]) -> bool | None:
        """None: whether it was carried out is not known."""
        try:
            self.simulation.call(operation, params)
        except EngineDied:
            return None
        except core.Fault as fault:
            if fault.code not in ("UnknownResourceFault", "WorkflowExecutionAlreadyStartedFault"):
                raise
            self.happened["refused"] += 1
            return False
        return None if self._chance("lost") else True

    # --- trouble -------------------------------------------------------------------------------------------

    def _chance(self, name: str) -> bool:
        happens = self._rng.random() < getattr(self.trouble, name)
        self.happened[name] += happens
        return happens

    def _kill(self) -> None:
        self.simulation.kill(durable=self._rng.random() < 0.5)
        self.simulation.at(self._some(self.trouble.kill_every_s), self._kill)

    def _step(self) -> None:
        longest = self.trouble.longest_step_s
        # Back towards the true time as often as away from it, as a clock that somebody looks after.
        by_s = self._rng.uniform(-longest, longest) - self.simulation.skew_s
        self.simulation.step_clock(by_s)
        self.simulation.at(self._some(self.trouble.step_every_s), self._step)

    def _guarded(self, action: Any) -> None:
        try:
            action()
        except EngineDied:
            return

    def _some(self, mean_s: float) -> float:
        return self._rng.expovariate(1 / mean_s)

    # --- looking -------------------------------------------------------------------------------------------

    def _whole_history(self, execution: dict[str, Any]) -> list[dict[str, Any]]:
        params: core.Object = {"domain": names.DOMAIN, "execution": execution}
        page = self.simulation.call("GetWorkflowExecutionHistory", params)
        assert isinstance(page, core.HistoryPage)
        assert page.next_page_token is None
        return histories.parse(page.events)

    def _check_closed(self, row: core.Closed) -> None:
        self.closed += 1
        events = histories.parse(self.simulation.journal.history(row.execution_id))
        self.checked_events += len(events)
        histories.check(events)
        assert row.close_status == "CONTINUED_AS_NEW", histories.show(events)
