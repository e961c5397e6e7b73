"""Rules on values that go beyond their shape: names, durations, priorities (spec/swf-semantics 1.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from elbflow_engine.core import api, faults, times

_FORBIDDEN = re.compile(r"[:/|\x00-\x1f\x7f-\x9f]")
_DIGITS = re.compile(r"[0-9]{1,8}\Z")
_NAMES = frozenset({"domain", "workflowId", "activityId", "timerId", "name", "version", "workflowTypeVersion"})
_TYPES = frozenset({"activityType", "workflowType", "typeFilter"})
_TASK_LISTS = frozenset({"taskList", "defaultTaskList"})
_DOMAIN_OPERATIONS = frozenset({"RegisterDomain"})
_BOUNDED = frozenset({"executionStartToCloseTimeout", "defaultExecutionStartToCloseTimeout"})
_INT32 = range(-(2**31), 2**31)
_MAX_RETENTION_DAYS = 90
_MAX_LAMBDA_S = 900


def check(operation: str, params: api.Object) -> None:
    """Raises ValidationException for the first value that breaks a rule."""
    for name, value in params.items():
        if name == "decisions" and isinstance(value, Sequence):
            for decision in value:
                if isinstance(decision, Mapping):
                    _check_decision(decision)
        elif name in _BOUNDED and value == times.NONE:
            raise faults.validation(f"{name} must not be {times.NONE}")
        else:
            _check_member(name, value)
    if operation in _DOMAIN_OPERATIONS:
        _check_trimmed("name", params.get("name"))


def _check_decision(decision: api.Object) -> None:
    for block, attributes in decision.items():
        if not isinstance(attributes, Mapping):
            continue
        if block.startswith("scheduleLambdaFunction"):
            _check_lambda_timeout(attributes.get("startToCloseTimeout"))
            continue
        for name, value in attributes.items():
            _check_member(name, value)


def _check_member(name: str, value: api.Json) -> None:
    if isinstance(value, Mapping):
        if name in _TYPES:
            for inner, text in value.items():
                _check_name(f"{name}.{inner}", text)
        elif name in _TASK_LISTS:
            _check_name(f"{name}.name", value.get("name"))
            _check_trimmed(f"{name}.name", value.get("name"))
        elif name in ("execution", "executionFilter"):
            _check_name(f"{name}.workflowId", value.get("workflowId"))
    elif name in _NAMES:
        _check_name(name, value)
        if name == "domain":
            _check_trimmed(name, value)
    elif name.endswith("Timeout"):
        _check_duration(name, value)
    elif name in ("taskPriority", "defaultTaskPriority"):
        _check_priority(name, value)
    elif name == "workflowExecutionRetentionPeriodInDays":
        _check_retention(name, value)


def _check_name(path: str, value: api.Json) -> None:
    if isinstance(value, str) and (_FORBIDDEN.search(value) or value == "arn"):
        raise faults.validation(f"Invalid value for {path}: it contains a reserved character or word")


def _check_trimmed(path: str, value: api.Json) -> None:
    if isinstance(value, str) and value != value.strip():
        raise faults.validation(f"Invalid value for {path}: it must not start or end with whitespace")


def _check_duration(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or (value == "" and name != "startToFireTimeout"):
        return
    if value == times.NONE and name != "startToFireTimeout":
        return
    if not _DIGITS.match(value) or int(value) > times.YEAR_S:
        raise faults.validation(f"Invalid duration for {name}: {value}")


def _check_lambda_timeout(value: api.Json) -> None:
    if not isinstance(value, str) or value in ("", times.NONE):
        return
    if not _DIGITS.match(value) or not 1 <= int(value) <= _MAX_LAMBDA_S:
        raise faults.validation(f"Invalid duration for startToCloseTimeout: {value}")


def _check_priority(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or value == "":
        return
    if not re.fullmatch(r"-?[0-9]{1,10}", value) or int(value) not in _INT32:
        raise faults.validation(f"Invalid value for {name}: {value}")


def _check_retention(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or value == times.NONE:
        return
    if not _DIGITS.match(value) or int(value) > _MAX_RETENTION_DAYS:
        raise faults.validation(f"Invalid duration for {name}: {value}")
