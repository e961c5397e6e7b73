"""Rules on values that go beyond their shape: names, durations, priorities (spec/swf-semantics 1.6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from elbflow_engine.core import api, faults, times

_Check: TypeAlias = Callable[[str, api.Json], None]

_FORBIDDEN = re.compile(r"[:/|\x00-\x1f\x7f-\x9f]")
_DIGITS = re.compile(r"[0-9]{1,8}")
_INT32_TEXT = re.compile(r"-?[0-9]{1,10}")
_INT32 = range(-(2**31), 2**31)
_MAX_RETENTION_DAYS = 90
_MAX_LAMBDA_S = 900


def check(operation: str, params: api.Object) -> None:
    """Raises ValidationException for the first value that breaks a rule."""
    for name, value in params.items():
        check_value = _OPERATION_CHECKS.get(name)
        if check_value is not None:
            check_value(name, value)
    if operation == "RegisterDomain":
        _check_trimmed("name", params.get("name"))


def _check_decisions(_: str, decisions: api.Json) -> None:
    """Every attribute block is checked, also one that does not match its decision's type (7)."""
    for decision in decisions if isinstance(decisions, list) else ():
        blocks = decision.items() if isinstance(decision, dict) else ()
        for block, attributes in blocks:
            checks = _LAMBDA_CHECKS if block.startswith("scheduleLambdaFunction") else _CHECKS
            for name, value in attributes.items() if isinstance(attributes, dict) else ():
                if name in checks:
                    checks[name](name, value)


def _check_name(path: str, value: api.Json) -> None:
    if isinstance(value, str) and (_FORBIDDEN.search(value) or value == "arn"):
        raise faults.validation(f"Invalid value for {path}: it contains a reserved character or word")


def _check_trimmed(path: str, value: api.Json) -> None:
    if isinstance(value, str) and value != value.strip():
        raise faults.validation(f"Invalid value for {path}: it must not start or end with whitespace")


def _check_domain(path: str, value: api.Json) -> None:
    _check_name(path, value)
    _check_trimmed(path, value)


def _check_type(path: str, value: api.Json) -> None:
    if isinstance(value, dict):
        _check_name(f"{path}.name", value.get("name"))
        _check_name(f"{path}.version", value.get("version"))


def _check_task_list(path: str, value: api.Json) -> None:
    if isinstance(value, dict):
        _check_domain(f"{path}.name", value.get("name"))


def _check_execution(path: str, value: api.Json) -> None:
    if isinstance(value, dict):
        _check_name(f"{path}.workflowId", value.get("workflowId"))


def _check_duration(name: str, value: api.Json) -> None:
    """Our choice: an empty one counts as absent, and one year is the most for all of them (1.6)."""
    if isinstance(value, str) and value not in ("", times.NONE):
        _check_finite(name, value)


def _check_ending(name: str, value: api.Json) -> None:
    if value == times.NONE:
        raise faults.validation(f"{name} must not be {times.NONE}")
    _check_duration(name, value)


def _check_finite(name: str, value: api.Json) -> None:
    if isinstance(value, str) and (not _DIGITS.fullmatch(value) or int(value) > times.YEAR_S):
        raise faults.validation(f"Invalid duration for {name}: {value}")


def _check_lambda_timeout(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or value in ("", times.NONE):
        return
    if not _DIGITS.fullmatch(value) or not 1 <= int(value) <= _MAX_LAMBDA_S:
        raise faults.validation(f"Invalid duration for {name}: {value}")


def _check_priority(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or value == "":
        return
    if not _INT32_TEXT.fullmatch(value) or int(value) not in _INT32:
        raise faults.validation(f"Invalid value for {name}: {value}")


def _check_retention(name: str, value: api.Json) -> None:
    if not isinstance(value, str) or value == times.NONE:
        return
    if not _DIGITS.fullmatch(value) or int(value) > _MAX_RETENTION_DAYS:
        raise faults.validation(f"Invalid duration for {name}: {value}")


_FINITE = frozenset({"executionStartToCloseTimeout", "defaultExecutionStartToCloseTimeout"})
"""``NONE`` is refused in operations; decisions may say it (7 notes)."""
_LAMBDA_CHECKS: dict[str, _Check] = {"startToCloseTimeout": _check_lambda_timeout}
_CHECKS: dict[str, _Check] = {
    **dict.fromkeys(("workflowId", "activityId", "timerId", "name", "version", "workflowTypeVersion"), _check_name),
    "domain": _check_domain,
    **dict.fromkeys(("workflowType", "activityType", "typeFilter"), _check_type),
    **dict.fromkeys(("taskList", "defaultTaskList"), _check_task_list),
    **dict.fromkeys(("execution", "executionFilter"), _check_execution),
    **dict.fromkeys(("taskPriority", "defaultTaskPriority"), _check_priority),
    "workflowExecutionRetentionPeriodInDays": _check_retention,
    "startToFireTimeout": _check_finite,
    **dict.fromkeys(
        (
            *_FINITE,
            "taskStartToCloseTimeout",
            "scheduleToStartTimeout",
            "scheduleToCloseTimeout",
            "startToCloseTimeout",
            "heartbeatTimeout",
            "taskListScheduleToStartTimeout",
            "defaultTaskStartToCloseTimeout",
            "defaultTaskHeartbeatTimeout",
            "defaultTaskScheduleToStartTimeout",
            "defaultTaskScheduleToCloseTimeout",
        ),
        _check_duration,
    ),
}
_OPERATION_CHECKS: dict[str, _Check] = {
    **_CHECKS,
    **dict.fromkeys(_FINITE, _check_ending),
    "decisions": _check_decisions,
}
