"""Running a workflow in a test: plain functions for its activities, virtual time, every decision also replayed.

run = WorkflowRun(CreateLoadBalancer, request, activities={contract.create_role: lambda key: "arn"})
assert run.result() == expected
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from elbflow import errors, flow, swf
from elbflow.flow import codec, definition, failures, guards
from elbflow.flow.core import decide
from elbflow.flow.testing.fakes import Never, TimesOut
from elbflow.flow.testing.swf_run import SwfRun

Activities = Mapping[flow.Activity[..., Any], Callable[..., Any]]


class WorkflowRun:
    """One execution of ``workflow_class``. ``calls`` are the activities carried out: (activity name, arguments).

    Each step does one thing: answer the waiting decision task, else carry out the oldest open activity, else fire the
    next timer. Signals and cancel requests come from the test, between steps.
    """

    def __init__(
        self, workflow_class: type, value: Any, *, activities: Activities | None = None, tags: Sequence[str] = ()
    ) -> None:
        found = definition.definition(workflow_class)
        self.workflow_class = workflow_class
        self.signature = found.signature
        self.swf = SwfRun(found.type, codec.encode(value, found.signature.input_type), tuple(tags))
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.decided: list[decide.Decided] = []
        self._bound = {activity.type: (activity, function) for activity, function in (activities or {}).items()}

    def result(self) -> Any:
        """Run to the end; the workflow's result. Raises WorkflowFailed or WorkflowClosed as callers see them."""
        self.run()
        assert self.swf.closed is not None, f"the workflow waits: {self.swf.events[-5:]}"
        attributes = self.swf.close_event.attributes
        if self.swf.closed == "WorkflowExecutionCompleted":
            return codec.decode(_text(attributes.get("result")), self.signature.output_type)
        if self.swf.closed == "WorkflowExecutionFailed":
            raise flow.WorkflowFailed(str(attributes.get("reason")), _text(attributes.get("details")))
        raise flow.WorkflowClosed(self.swf.closed.removeprefix("WorkflowExecution"))

    def run(self, until: Callable[[], bool] = lambda: False, *, most_steps: int = 1_000) -> None:
        """Step until ``until()`` holds, the workflow has closed, or it waits for something only the test can do."""
        for _ in range(most_steps):
            if until() or not self.step():
                return
        raise AssertionError(f"not at rest after {most_steps} steps")

    def settle(self) -> None:
        """Step without firing timers."""
        while self.step(timers=False):
            pass

    def step(self, *, timers: bool = True) -> bool:
        """Do one thing; False when there is nothing to do."""
        if self.swf.closed is not None:
            return False
        if self.swf.decision_waits:
            self.decide()
            return True
        if any(self._carry_out(scheduled_id) for scheduled_id in sorted(self.swf.activities)):
            return True
        if timers and self.swf.timers:
            self.swf.fire(min(self.swf.timers.values(), key=lambda timer: (timer.due, timer.started_id)).timer_id)
            return True
        return False

    def decide(self) -> decide.Decided:
        """Answer the waiting decision task, and replay the history as it then stands."""
        history = self.swf.poll()
        with guards.guarded():
            decided = decide.decide(self.workflow_class, history, execution=self.swf.execution)
        self.decided.append(decided)
        self.swf.respond(decided.decisions, decided.execution_context)
        flow.replay(self.workflow_class, self.swf.events, execution=self.swf.execution)
        return decided

    def signal(self, signature: flow.SignalSignature[Any], value: Any) -> None:
        self.swf.signal(signature.name, codec.encode(value, signature.input_type))

    def state(self, type_: type[Any]) -> Any:
        """What the workflow last published with ``flow.set_state``."""
        return codec.decode(self.swf.execution_context, type_)

    def _carry_out(self, scheduled_id: int) -> bool:
        open_ = self.swf.activities[scheduled_id]
        activity, function = self._bound[open_.activity_type]
        if open_.started_id == 0:
            self.swf.start_activity(scheduled_id)
            arguments = activity.decode_arguments(open_.input)
            self.calls.append((activity.name, arguments))
            return self._finish(scheduled_id, activity, lambda: function(*arguments))
        if open_.cancel_request_id:
            self.swf.close_activity(scheduled_id, "Canceled")
            return True
        return False

    def _finish(self, scheduled_id: int, activity: flow.Activity[..., Any], work: Callable[[], Any]) -> bool:
        try:
            result = activity.encode_result(work())
        except Never:
            return True
        except TimesOut as error:
            self.swf.close_activity(scheduled_id, "TimedOut", timeoutType=error.timeout_type)
        except Exception as error:
            permanent = isinstance(error, errors.Permanent)
            reason, details = failures.describe(type(error).__name__, str(error), permanent=permanent)
            self.swf.close_activity(scheduled_id, "Failed", reason=reason, details=details)
        else:
            self.swf.close_activity(scheduled_id, "Completed", result=result)
        return True


def _text(value: swf.Json) -> str | None:
    return value if isinstance(value, str) else None
