"""Resolving a new execution's settings: the request first, then its type (spec/swf-semantics 6.3, 7)."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow_engine.core import api, members
from elbflow_engine.core.model import Settings, TypeKey
from elbflow_engine.core.world import DEPRECATED, Domain


@dataclass(frozen=True, slots=True)
class Undefined:
    """A value is neither given nor defaulted, or the type cannot be used.

    ``member`` is the request member that is missing (empty when it is the type), ``cause`` the word for events.
    """

    member: str
    cause: str


# Member, default of the type, cause; in the order of the checks.
_REQUIRED = (
    (
        "executionStartToCloseTimeout",
        "defaultExecutionStartToCloseTimeout",
        "DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    ("taskList", "defaultTaskList", "DEFAULT_TASK_LIST_UNDEFINED"),
    ("taskStartToCloseTimeout", "defaultTaskStartToCloseTimeout", "DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED"),
    ("childPolicy", "defaultChildPolicy", "DEFAULT_CHILD_POLICY_UNDEFINED"),
)


def for_decision(domain: Domain, key: TypeKey, attributes: api.Object) -> Settings | Undefined:
    """Settings of a child or a continuation, or why there are none; also checks that the type may be used."""
    registered = domain.workflow_types.get(key)
    if registered is None:
        return Undefined("", "WORKFLOW_TYPE_DOES_NOT_EXIST")
    if registered.status == DEPRECATED:
        return Undefined("", "WORKFLOW_TYPE_DEPRECATED")
    return resolve(attributes, registered.configuration)


def resolve(given: api.Object, configuration: api.Object) -> Settings | Undefined:
    """Settings from the request and the type's defaults, or the first value that neither has."""
    values = {}
    for name, default, cause in _REQUIRED:
        read = members.list_name if name == "taskList" else members.filled
        value = read(given, name) or read(configuration, default)
        if value is None:
            return Undefined(name, cause)
        values[name] = value
    return Settings(
        task_list=values["taskList"],
        task_priority=members.filled(given, "taskPriority") or members.filled(configuration, "defaultTaskPriority"),
        execution_timeout=values["executionStartToCloseTimeout"],
        task_timeout=values["taskStartToCloseTimeout"],
        child_policy=values["childPolicy"],
        lambda_role=members.filled(given, "lambdaRole") or members.filled(configuration, "defaultLambdaRole"),
    )
