"""Fake activities for workflows on virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elbflow import errors, flow, testing
from elbflow.contract import activities, document, vm_activities
from elbflow.contract.activities import ServingVm

KEY = document.LoadBalancerKey("000000000001", "web")


class Refused(errors.Permanent):
    """The user asked for something impossible."""


class Fakes:
    """Every activity, answering as a healthy cloud would. ``on(activity, function)`` replaces one.

    ``log`` is what was carried out, in order, by the contract's Python names.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.arguments: list[tuple[str, tuple[Any, ...]]] = []
        self.vms: list[str] = ["i-1"]
        self.generation = 1
        self._functions: dict[str, Callable[..., Any]] = {
            "iam_role_setup": lambda key: "role",
            "instance_profile_setup": lambda key, role: f"profile-of-{role}",
            "iam_policy_setup": lambda key, role: "policy",
            "security_group_setup": lambda key: activities.SecurityGroup("group", "sg-1", created=True),
            "scaling_group_setup": lambda key, profile, group, zones: activities.ScalingGroups(zones),
            "disable_zones_retire_vms": lambda key, zones: ("i-1",),
            "listener_authorize_certificates": lambda key, ports: ("certificate-policy",),
            "listener_authorize_ingress": lambda key, ports: ports,
            "persist_attributes": lambda key, attributes: 2,
            "persist_security_groups": lambda key, groups: 2,
            "lookup_document": self._document,
            "lookup_zones": self._zones,
            "lookup_vms": lambda key: tuple(ServingVm(vm) for vm in self.vms),
            "update_instance_status": lambda key, vm, report: False,
            "run_continuous_workflows": lambda: 0,
            "set_load_balancer": lambda doc: document.Applied(doc.generation, doc.content_hash()),
        }

    def on(self, activity: flow.Activity[..., Any], function: Callable[..., Any]) -> None:
        self._functions[name_of(activity)] = function

    def run(self, workflow_class: type, request: Any) -> testing.WorkflowRun:
        declared = (*activities.ALL, *vm_activities.ALL)
        return testing.WorkflowRun(
            workflow_class, request, activities={one: self._carry_out(name_of(one)) for one in declared}
        )

    def times(self, activity: flow.Activity[..., Any]) -> int:
        return self.log.count(name_of(activity))

    def given_to(self, activity: flow.Activity[..., Any]) -> list[tuple[Any, ...]]:
        """Arguments of each call, without the key."""
        return [
            tuple(one for one in arguments if one != KEY)
            for name, arguments in self.arguments
            if name == name_of(activity)
        ]

    def _carry_out(self, name: str) -> Callable[..., Any]:
        def carry_out(*arguments: Any) -> Any:
            self.log.append(name)
            self.arguments.append((name, arguments))
            return self._functions.get(name, lambda *_: None)(*arguments)

        return carry_out

    def _zones(self, key: document.LoadBalancerKey) -> tuple[activities.ServingZone, ...]:
        vms = tuple(ServingVm(vm) for vm in self.vms)
        return (activities.ServingZone(vms, document.LoadBalancerDocument(key, self.generation, "a")),)

    def _document(self, key: document.LoadBalancerKey, instance_id: str) -> document.LoadBalancerDocument | None:
        if instance_id not in self.vms:
            return None
        return document.LoadBalancerDocument(key, self.generation, "a")


_BY_TYPE = {
    value.type: name
    for module in (activities, vm_activities)
    for name, value in vars(module).items()
    if isinstance(value, flow.Activity)
}


def name_of(activity: flow.Activity[..., Any]) -> str:
    return _BY_TYPE[activity.type]


def fail(error: Exception) -> Callable[..., Any]:
    """An activity function that always fails."""

    def function(*_: Any) -> Any:
        raise error

    return function


def current_list(run: testing.WorkflowRun) -> str:
    """Task list of the activity that is being carried out."""
    started = [event for event in run.swf.events if event.type == "ActivityTaskStarted"][-1]
    scheduled = run.swf.events[int(str(started.attributes["scheduledEventId"])) - 1]
    task_list: Any = scheduled.attributes["taskList"]
    return str(task_list["name"])
