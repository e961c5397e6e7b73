"""One execution of a control-plane workflow on the engine's own core: its history is what the server would keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from elbflow import errors, flow, swf
from elbflow.contract import activities, document, names, vm_activities
from elbflow.contract.activities import ServingVm
from elbflow.flow import definition, failures, guards
from elbflow.flow.core import decide
from elbflow_engine.testing import Bench, decision

VMS = ("i-1", "i-2")
_DECLARED = (*activities.ALL, *vm_activities.ALL)


class Never(Exception):
    """Raised by an activity's function: its worker is never heard of again."""


class Refused(errors.Permanent):
    """The user asked for something impossible."""


class Cloud:
    """Every activity, answering as a healthy cloud would; ``on`` replaces one. ``log`` is what was carried out."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._reports = 0
        self._functions: dict[flow.Activity[..., Any], Callable[..., Any]] = {
            activities.iam_role_setup: lambda key: "role",
            activities.instance_profile_setup: lambda key, role: f"profile-of-{role}",
            activities.iam_policy_setup: lambda key, role: "policy",
            activities.security_group_setup: lambda key: activities.SecurityGroup("group", "sg-1", created=True),
            activities.scaling_group_setup: lambda key, profile, group, zones: activities.ScalingGroups(zones),
            activities.disable_zones_retire_vms: lambda key, zones: ("i-1",),
            activities.listener_authorize_certificates: lambda key, ports: ("certificate-policy",),
            activities.listener_authorize_ingress: lambda key, ports: ports,
            activities.persist_attributes: lambda key, attributes: 2,
            activities.persist_security_groups: lambda key, groups: 2,
            activities.lookup_document: lambda key, vm: document.LoadBalancerDocument(key, 1, "a"),
            activities.update_instance_status: lambda key, vm, report: False,
            activities.run_continuous_workflows: lambda: 0,
            vm_activities.set_load_balancer: lambda doc: document.Applied(doc.generation, doc.content_hash()),
            vm_activities.get_instance_status: lambda known: document.HealthReport(f"digest-{self._number()}"),
            vm_activities.get_cloudwatch_metrics: lambda period_s, seen: document.MetricsReport(self._number(), 60.0),
        }
        self.serves(VMS)

    def serves(self, vms: Iterable[str]) -> None:
        """From now on these are the load balancer's VMs."""
        found = tuple(ServingVm(vm) for vm in vms)
        self.on(activities.lookup_vms, lambda key: found)
        self.on(
            activities.lookup_zones,
            lambda key: (activities.ServingZone(found, document.LoadBalancerDocument(key, 1, "a")),),
        )

    def on(self, activity: flow.Activity[..., Any], function: Callable[..., Any]) -> None:
        self._functions[activity] = function

    def carry_out(self, activity: flow.Activity[..., Any], arguments: tuple[Any, ...]) -> Any:
        self.log.append(activity.name)
        return self._functions.get(activity, lambda *_: None)(*arguments)

    def times(self, activity: flow.Activity[..., Any]) -> int:
        return self.log.count(activity.name)

    def _number(self) -> int:
        self._reports += 1
        return self._reports


class EngineRun:
    """Steps: answer the waiting decision task, else carry out an activity, else let the next deadline pass."""

    def __init__(self, workflow_class: type, value: object, *, tags: Sequence[str] = ("account:000000000001",)) -> None:
        self.cloud = Cloud()
        self.bench = Bench()
        self._class = workflow_class
        self._signature = definition.definition(workflow_class).signature
        self._activities = {(one.name, one.version): one for one in _DECLARED}
        for params in self._registrations():
            self.bench.call("RegisterActivityType", **params)
        self.bench.call("RegisterWorkflowType", name=self._signature.name, version=self._signature.version)
        self.execution = swf.Execution(f"{self._signature.name}-web", "")
        self.execution = swf.Execution(self.execution.workflow_id, self._start(value, tags))

    @property
    def closed(self) -> bool:
        return bool(self.bench.describe(*self._names())["executionInfo"]["executionStatus"] == "CLOSED")

    def run(self, until: Callable[[], bool] = lambda: False, *, most_steps: int = 3_000) -> None:
        """Step until ``until()`` or the execution has closed."""
        for _ in range(most_steps):
            if until() or not self.step():
                return
        raise AssertionError(f"{self.execution.workflow_id} does not come to an end")

    def settle(self) -> None:
        """Step without letting time pass."""
        while not self.closed and (self._decide() or self._carry_out()):
            pass

    def step(self) -> bool:
        """Do one thing; False once the execution has closed."""
        if self.closed:
            return False
        if not self._decide() and not self._carry_out():
            instant = self.bench.engine.next_deadline()
            assert instant is not None
            self.bench.advance(max(0.0, instant - self.bench.now) + 0.001)
        return True

    def signal(self, signature: flow.SignalSignature[Any], value: Any) -> None:
        self.bench.call(
            "SignalWorkflowExecution",
            workflowId=self.execution.workflow_id,
            signalName=signature.name,
            input=flow.encode(value, signature.input_type),
        )

    def cancel(self) -> None:
        self.bench.call("RequestCancelWorkflowExecution", workflowId=self.execution.workflow_id)

    def lose_decision(self) -> None:
        """A decider takes the decision task and dies; SWF times it out."""
        assert self.bench.poll("decision", names.TASK_LIST) is not None
        self.bench.advance(self._signature.decision_timeout.total_seconds() + 1)

    def answer_after(self, meanwhile: Callable[[], None]) -> None:
        """Answer the waiting decision task, but only after ``meanwhile`` has happened."""
        assert self._decide(meanwhile)

    def recorded(self) -> str:
        """The history as a file: what GetWorkflowExecutionHistory gives, one event per line, and the execution."""
        run = {"workflowId": self.execution.workflow_id, "runId": self.execution.run_id}
        events = ",\n".join(json.dumps(event) for event in self._history())
        return f'{{"workflowExecution": {json.dumps(run)}, "events": [\n{events}\n]}}\n'

    @property
    def decision_waits(self) -> bool:
        return bool(self.bench.describe(*self._names())["openCounts"]["openDecisionTasks"])

    def _names(self) -> tuple[str, str]:
        return self.execution.run_id, self.execution.workflow_id

    def _history(self) -> list[dict[str, Any]]:
        return self.bench.history(*self._names())

    def _start(self, value: object, tags: Sequence[str]) -> str:
        signature = self._signature
        return self.bench.start(
            self.execution.workflow_id,
            workflowType={"name": signature.name, "version": signature.version},
            input=flow.encode(value, signature.input_type),
            taskList={"name": names.TASK_LIST},
            tagList=list(tags),
            executionStartToCloseTimeout=_seconds(signature.execution_timeout),
            taskStartToCloseTimeout=_seconds(signature.decision_timeout),
            childPolicy=signature.child_policy,
        )

    def _registrations(self) -> Iterator[dict[str, Any]]:
        for one in _DECLARED:
            limits = {
                "ScheduleToStart": one.options.schedule_to_start,
                "StartToClose": one.options.start_to_close,
                "ScheduleToClose": one.options.schedule_to_close,
                "Heartbeat": one.options.heartbeat,
            }
            timeouts = {f"defaultTask{name}Timeout": _seconds(limit) for name, limit in limits.items()}
            yield {"name": one.name, "version": one.version, "defaultTaskList": {"name": names.TASK_LIST}} | timeouts

    def _decide(self, meanwhile: Callable[[], None] = lambda: None) -> bool:
        task = self.bench.poll("decision", names.TASK_LIST)
        if task is None:
            return False
        events = flow.parse_history(json.dumps({"events": self._history()}))
        with guards.guarded():
            decided = decide.decide(self._class, events, execution=self.execution)
        meanwhile()
        made = [decision(one.type, **one.attributes) for one in decided.decisions]
        self.bench.decide(task, *made, executionContext=decided.execution_context)
        return True

    def _carry_out(self) -> bool:
        for task_list in (names.TASK_LIST, *VMS):
            task = self.bench.poll("activity", task_list)
            if task is not None:
                self._answer(task)
                return True
        return False

    def _answer(self, task: dict[str, Any]) -> None:
        activity = self._activities[task["activityType"]["name"], task["activityType"]["version"]]
        self.bench.advance(0.05)
        try:
            result = self.cloud.carry_out(activity, activity.decode_arguments(task["input"]))
        except Never:
            return
        except Exception as error:
            planned = isinstance(error, errors.Permanent)
            reason, details = failures.describe(type(error).__name__, str(error), permanent=planned)
            self.bench.respond(task, "Failed", reason=reason, details=details)
        else:
            self.bench.respond(task, result=activity.encode_result(result))


def _seconds(limit: timedelta | None) -> str:
    return "NONE" if limit is None else str(round(limit.total_seconds()))
