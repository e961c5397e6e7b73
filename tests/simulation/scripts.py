"""The continuous workflows of idle load balancers as scripts: what decider, workers and VMs do, without their code.

The steps are those of elbflow_decider.workflows (update_load_balancer, poll_instance_status, put_cloudwatch_metric);
types, timeouts and names come from elbflow.contract. An activity id is ``step.number`` and so is every result, so
that a decider needs the events since its last decision only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from elbflow import flow
from elbflow.contract import activities, names, vm_activities, workflows
from elbflow_engine import histories
from elbflow_engine.testing import decision

Decision = dict[str, Any]

STEPS: Mapping[str, flow.Activity[..., Any]] = {
    "lookup": activities.lookup_vms,
    "zones": activities.lookup_zones,
    "set": vm_activities.set_load_balancer,
    "applied": activities.record_applied,
    "status": vm_activities.get_instance_status,
    "store": activities.update_instance_status,
    "collect": vm_activities.get_cloudwatch_metrics,
    "put": activities.put_cloudwatch_metrics,
}
ON_VM = frozenset(activity.name for activity in vm_activities.ALL)
CONTINUOUS = (workflows.UPDATE_LOAD_BALANCER, workflows.POLL_INSTANCE_STATUS, workflows.PUT_CLOUDWATCH_METRIC)


_HALF_A_DAY_S = 43_200.0


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds between things, and how many rounds a run lasts before it continues as new."""

    metrics_s: float = 60
    heartbeat_s: float = 30
    status_s: float = 45 * 60
    refresh_s: float = 15 * 60
    lookup_s: float = 30 * 60
    reports: int = 60
    statuses: int = 16
    rounds: int = 20

    def stretched(self, factor: float) -> Periods:
        """Fewer events a day: every period is longer, at most half a day, and leases at most three hours.

        Runs get fewer rounds, to last half a day at most: the execution timeout stays what it is, two days, and a task
        that reached nobody must still fit.
        """
        refresh_s, status_s, lookup_s, metrics_s = (
            min(_HALF_A_DAY_S, period_s * factor)
            for period_s in (self.refresh_s, self.status_s, self.lookup_s, self.metrics_s)
        )
        return Periods(
            metrics_s=metrics_s,
            heartbeat_s=min(3600.0, self.heartbeat_s * factor),
            status_s=status_s,
            refresh_s=refresh_s,
            lookup_s=lookup_s,
            reports=_rounds(self.reports, metrics_s),
            statuses=_rounds(self.statuses, status_s),
            rounds=_rounds(self.rounds, refresh_s),
        )

    def transitions_per_day(self) -> float:
        """Of one load balancer with one VM; an activity costs a poll and an answer, and so does its decision."""
        metrics = 8 * 86_400 / self.metrics_s
        status = (8 / self.status_s + 5 / self.lookup_s) * 86_400
        return metrics + status + 13 * 86_400 / self.refresh_s + 86_400 / self.heartbeat_s


def _rounds(real: int, period_s: float) -> int:
    return max(1, min(real, round(_HALF_A_DAY_S / period_s)))


def registrations(periods: Periods) -> Iterator[tuple[str, dict[str, Any]]]:
    """Operations that register the domain and all types, with timeouts that fit the periods."""
    yield (
        "RegisterDomain",
        {"name": names.DOMAIN, "workflowExecutionRetentionPeriodInDays": str(names.RETENTION_DAYS)},
    )
    for workflow in CONTINUOUS:
        yield (
            "RegisterWorkflowType",
            {
                "domain": names.DOMAIN,
                "name": workflow.name,
                "version": workflow.version,
                "defaultTaskList": {"name": names.TASK_LIST},
                "defaultExecutionStartToCloseTimeout": _text(workflow.execution_timeout),
                "defaultTaskStartToCloseTimeout": _text(workflow.decision_timeout),
                "defaultChildPolicy": "TERMINATE",
            },
        )
    for step, activity in STEPS.items():
        yield "RegisterActivityType", _activity_type(step, activity, periods)


def _activity_type(step: str, activity: flow.Activity[..., Any], periods: Periods) -> dict[str, Any]:
    options = activity.options
    longest = {"status": periods.status_s + 900, "collect": 2 * periods.metrics_s}.get(step)
    timeouts = {
        "ScheduleToStart": _text(options.schedule_to_start),
        "ScheduleToClose": _text(options.schedule_to_close),
        "StartToClose": _text(options.start_to_close) if longest is None else str(round(longest)),
        "Heartbeat": "NONE" if options.heartbeat is None else str(round(3 * periods.heartbeat_s)),
    }
    return {
        "domain": names.DOMAIN,
        "name": activity.name,
        "version": activity.version,
        "defaultTaskList": {"name": names.TASK_LIST},
    } | {f"defaultTask{name}Timeout": text for name, text in timeouts.items()}


def _text(timeout: timedelta | None) -> str:
    return "NONE" if timeout is None else str(round(timeout.total_seconds()))


def step_of(name: str) -> tuple[str, int]:
    """Step and number that an activity id, a timer id or a result names."""
    step, _, number = name.partition(".")
    return step, int(number)


class Decider:
    """Decides from what happened since the last decision, as a script; the history is all it knows."""

    def __init__(self, periods: Periods, whole_history: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
        self._periods = periods
        self._whole_history = whole_history
        self._rules: dict[str, Callable[[str, int], list[Decision]]] = {
            workflows.UPDATE_LOAD_BALANCER.name: self._update,
            workflows.POLL_INSTANCE_STATUS.name: self._status,
            workflows.PUT_CLOUDWATCH_METRIC.name: self._metrics,
        }

    def decide(self, head: Mapping[str, Any], events: list[dict[str, Any]]) -> list[Decision]:
        """``events`` begin with the previous DecisionTaskStarted, or with the execution."""
        vm = head["workflowExecution"]["workflowId"].partition("-")[2]
        rule = self._rules[head["workflowType"]["name"]]
        decisions: list[Decision] = []
        for event in events:
            if event["eventId"] > head["previousStartedEventId"]:
                decisions += (_on(vm, made) for made in self._hear(event, rule, dict(head)))
        # A run that ends says nothing else, and it is the last word.
        ends = [one for one in decisions if one["decisionType"].startswith("ContinueAsNew")]
        return ends[:1] or decisions

    def _hear(
        self, event: dict[str, Any], rule: Callable[[str, int], list[Decision]], head: dict[str, Any]
    ) -> list[Decision]:
        kind, block = event["eventType"], histories.attributes(event)
        if kind == "WorkflowExecutionStarted":
            return rule("begin", 0)
        if kind == "ActivityTaskCompleted":
            return rule(*step_of(block["result"]))
        if kind == "TimerFired":
            return rule(*step_of(block["timerId"]))
        if kind == "ActivityTaskTimedOut":
            scheduled = self._whole_history(head["workflowExecution"])[block["scheduledEventId"] - 1]
            return [_schedule(*step_of(histories.attributes(scheduled)["activityId"]))]
        if kind == "ContinueAsNewWorkflowExecutionFailed":
            return [decision("ContinueAsNewWorkflowExecution")]
        assert not kind.endswith("Failed"), event
        return []

    def _update(self, step: str, number: int) -> list[Decision]:
        if step == "refresh" and number >= self._periods.rounds:
            return [decision("ContinueAsNewWorkflowExecution")]
        if step in ("begin", "refresh"):
            return [_timer("refresh", number + 1, self._periods.refresh_s), _schedule("zones", number + 1)]
        following = {"zones": "set", "set": "applied"}.get(step)
        return [] if following is None else [_schedule(following, number)]

    def _status(self, step: str, number: int) -> list[Decision]:
        if step in ("begin", "look"):
            return [_timer("look", number + 1, self._periods.lookup_s), _schedule("lookup", number + 1)]
        if step == "store" and number >= self._periods.statuses:
            return [decision("ContinueAsNewWorkflowExecution")]
        if step == "store" or (step, number) == ("lookup", 1):
            return [_schedule("status", number + (step == "store"))]
        return [_schedule("store", number)] if step == "status" else []

    def _metrics(self, step: str, number: int) -> list[Decision]:
        if step == "begin":
            return [_schedule("lookup", 1)]
        if step == "put" and number >= self._periods.reports:
            return [decision("ContinueAsNewWorkflowExecution")]
        if step == "collect":
            return [_schedule("put", number)]
        return [_schedule("collect", number + (step == "put"))]


def _schedule(step: str, number: int) -> Decision:
    activity = STEPS[step]
    return decision(
        "ScheduleActivityTask",
        activityType={"name": activity.name, "version": activity.version},
        activityId=f"{step}.{number}",
        input=f"{step}.{number}",
    )


def _timer(step: str, number: int, seconds: float) -> Decision:
    return decision("StartTimer", timerId=f"{step}.{number}", startToFireTimeout=str(round(seconds)))


def _on(vm: str, made: Decision) -> Decision:
    """VM activities go to the VM's own task list."""
    attributes = made.get("scheduleActivityTaskDecisionAttributes")
    if attributes is not None and attributes["activityType"]["name"] in ON_VM:
        attributes["taskList"] = {"name": vm}
    return made
