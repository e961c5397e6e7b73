"""Another account's worker, who must not notice what else the engine is sent."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.property.engine import wire_range
from tests.property.engine.wire_range import ACTIVITY_DEFAULTS, HOLD_S, LIST, SAMPLE, TYPE_DEFAULTS
from tests.property.engine.wire_shooter import PATIENCE_S, Misbehaviour


class Neighbour(threading.Thread):
    """Another account's worker: it runs whole workflows, one after the other, and nothing may go wrong for it."""

    def __init__(self, url: str) -> None:
        super().__init__(name="neighbour")
        self._swf = wire_range.client(url, "111122223333")
        self._over = threading.Event()
        self.cycles = 0
        self.longest_s = 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            furnish_home(self._swf)
            while not self._over.is_set():
                began = time.monotonic()
                self._cycle()
                self.cycles += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                self._over.wait(0.02)
        except BaseException as error:  # told to whoever joins
            self.failure = error

    def finish(self) -> None:
        """Raises what went wrong, if anything did."""
        self._over.set()
        self.join(PATIENCE_S)
        if self.failure is not None:
            raise Misbehaviour("the neighbour was disturbed") from self.failure
        if self.is_alive() or not self.cycles or self.longest_s > PATIENCE_S:
            raise Misbehaviour(f"the neighbour was kept waiting: {self.cycles} cycles, longest {self.longest_s:.1f} s")

    def _cycle(self) -> None:
        execution = {"workflowId": f"cycle{self.cycles}"}
        execution |= {
            "runId": self._swf.start_workflow_execution(domain="home", workflowType=SAMPLE, **execution)["runId"]
        }
        self._decide(
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {"activityId": "a", "activityType": SAMPLE},
            }
        )
        self._swf.respond_activity_task_completed(taskToken=self._task("activity"))
        self._decide({"decisionType": "CompleteWorkflowExecution"})
        pages = self._swf.get_workflow_execution_history(domain="home", execution=execution)
        assert pages["events"][-1]["eventType"] == "WorkflowExecutionCompleted"

    def _decide(self, decision: dict[str, Any]) -> None:
        self._swf.respond_decision_task_completed(taskToken=self._task("decision"), decisions=[decision])

    def _task(self, kind: str) -> str:
        poll = getattr(self._swf, f"poll_for_{kind}_task")
        for _ in range(int(PATIENCE_S / HOLD_S)):
            token = poll(domain="home", taskList=LIST).get("taskToken")
            if token:
                return str(token)
        raise AssertionError(f"no {kind} task came")


def furnish_home(swf: Any) -> None:
    swf.register_domain(name="home", workflowExecutionRetentionPeriodInDays="1")
    swf.register_workflow_type(domain="home", **SAMPLE, **TYPE_DEFAULTS)
    swf.register_activity_type(domain="home", **SAMPLE, **ACTIVITY_DEFAULTS)
