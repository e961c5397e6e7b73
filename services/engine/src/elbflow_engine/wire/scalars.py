"""Readers of strings, numbers, booleans and times, and how their violations are worded (spec/swf-semantics 1.4)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from botocore import model

from elbflow_engine import core

# Order of this enum in messages, as recorded from the live service (spec/swf-semantics 1.4).
DECISION_TYPES = (
    "CompleteWorkflowExecution",
    "StartTimer",
    "RequestCancelExternalWorkflowExecution",
    "SignalExternalWorkflowExecution",
    "CancelTimer",
    "RecordMarker",
    "ScheduleActivityTask",
    "ContinueAsNewWorkflowExecution",
    "ScheduleLambdaFunction",
    "FailWorkflowExecution",
    "RequestCancelActivityTask",
    "StartChildWorkflowExecution",
    "CancelWorkflowExecution",
)
_EMPTY_IS_ABSENT = frozenset({"WorkflowRunIdOptional", "DurationInSecondsOptional", "VersionOptional"})


class SerializationError(Exception):
    """A JSON value has the wrong type; nothing else was looked at."""


class ValidationError(Exception):
    """The request breaks constraints of the model; the message lists all of them in the service's wording."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint. ``value`` is as it appears in the message, ``path`` relative to the reader's value."""

    value: str
    path: str
    constraint: str

    def under(self, parent: str) -> Violation:
        return Violation(self.value, f"{parent}.{self.path}" if self.path else parent, self.constraint)

    def __str__(self) -> str:
        return f"Value {self.value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


Found: TypeAlias = list[Violation]
Reader: TypeAlias = Callable[[core.Json, Found], core.Json]
NOT_NULL = "Member must not be null"


def string(shape: model.StringShape) -> Reader:
    """Length in code points, enum, pattern."""
    limits: Mapping[str, int] = shape.metadata
    shortest, longest = limits.get("min", 0), limits.get("max", math.inf)
    allowed = tuple(DECISION_TYPES if shape.name == "DecisionType" else shape.enum)
    pattern = shape.metadata.get("pattern")
    expression = re.compile(pattern) if pattern else None
    absent_if_empty = shape.name in _EMPTY_IS_ABSENT

    def read_any(value: core.Json, found: Found) -> core.Json:
        """Where nothing but the length counts, as for most."""
        if not isinstance(value, str):
            raise wrong_type(value, "String")
        if not shortest <= len(value) <= longest:
            check_length(value, limits, found)
        return value

    def read(value: core.Json, found: Found) -> core.Json:
        if not isinstance(value, str):
            raise wrong_type(value, "String")
        if absent_if_empty and not value:
            return None
        if not shortest <= len(value) <= longest:
            check_length(value, limits, found)
        if allowed and value not in allowed:
            constraint = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
            found.append(Violation(f"'{value}'", "", constraint))
        if expression and not expression.fullmatch(value):
            constraint = f"Member must satisfy regular expression pattern: {pattern}"
            found.append(Violation(f"'{value}'", "", constraint))
        return value

    return read if allowed or expression or absent_if_empty else read_any


def integer(limits: Mapping[str, int]) -> Reader:
    """A JSON integer within a range; ``5.0`` is none."""
    low, high = limits.get("min"), limits.get("max")

    def read(value: core.Json, found: Found) -> core.Json:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(value, "Integer")
        if high is not None and value > high:
            found.append(Violation(f"'{value}'", "", f"Member must have value less than or equal to {high}"))
        if low is not None and value < low:
            found.append(Violation(f"'{value}'", "", f"Member must have value greater than or equal to {low}"))
        return value

    return read


def boolean(_: Mapping[str, int]) -> Reader:
    """A JSON boolean."""

    def read(value: core.Json, _: Found) -> core.Json:
        if not isinstance(value, bool):
            raise wrong_type(value, "Boolean")
        return value

    return read


def timestamp(_: Mapping[str, int]) -> Reader:
    """Seconds since the epoch, as a JSON number."""

    def read(value: core.Json, _: Found) -> core.Json:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise wrong_type(value, "Date")
        return value

    return read


def check_length(value: str | list[core.Json], limits: Mapping[str, int], found: Found) -> None:
    """Strings count in code points, lists in elements."""
    high, low = limits.get("max"), limits.get("min")
    if high is not None and len(value) > high:
        found.append(Violation(_shown(value), "", f"Member must have length less than or equal to {high}"))
    if low is not None and len(value) < low:
        found.append(Violation(_shown(value), "", f"Member must have length greater than or equal to {low}"))


def _shown(value: str | list[core.Json]) -> str:
    return f"'{value}'" if isinstance(value, str) else f"'[{', '.join(map(str, value))}]'"


def wrong_type(value: core.Json, wanted: str) -> SerializationError:
    """``wanted`` is a scalar type, ``structure`` or ``list``."""
    if wanted in ("structure", "list"):
        return SerializationError(f"{_kind(value)} can not be converted to a {wanted}")
    if isinstance(value, dict | list):
        return SerializationError(f"Start of {_kind(value)} found where not expected")
    return SerializationError(f"{_kind(value)} can not be converted to a {wanted}")


def _kind(value: core.Json) -> str:
    match value:
        case bool():
            return f"{str(value).upper()}_VALUE"
        case str():
            return "STRING_VALUE"
        case int() | float():
            return "NUMBER_VALUE"
        case dict():
            return "structure or map"
        case list():
            return "list"
        case _:
            return "NULL_VALUE"
