"""Signatures: what workflows, activities and signals are called and what they take and give.

A signature is all that a caller and an implementation share; the implementing code is bound to it elsewhere.
"""

from __future__ import annotations

import enum
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar

import pydantic_core

from elbflow import swf
from elbflow.flow import codec, errors, execution, limits
from elbflow.flow.cancelling import Cancellation

P = ParamSpec("P")
R = TypeVar("R")
In = TypeVar("In")
Out = TypeVar("Out")


class _Unchanged(enum.Enum):
    """Marks an option of :meth:`Activity.using` that keeps its declared value; None means «no deadline»."""

    UNCHANGED = enum.auto()


UNCHANGED = _Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a workflow repeats a failed activity; permanent failures are never repeated.

    The pauses are SWF timers: ``initial``, then ``factor`` times the one before, at most ``maximum``.
    """

    maximum_attempts: int
    initial: timedelta
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        if self.maximum_attempts < 1 or self.factor < 1 or self.initial < timedelta(0):
            raise ValueError(f"not a retry policy: {self}")

    def pause(self, failures: int) -> timedelta:
        """The pause after the ``failures``-th failure in a row (counted from 1)."""
        seconds = self.initial.total_seconds()
        for _ in range(failures - 1):
            seconds = min(seconds * self.factor, self.maximum.total_seconds())
        return min(timedelta(seconds=seconds), self.maximum)


@dataclass(frozen=True, slots=True)
class ActivityOptions:
    """Where and how long an activity may take. None is «no deadline» for timeouts, the type's default for the list."""

    task_list: str | None = None
    schedule_to_start: timedelta | None = None
    start_to_close: timedelta | None = None
    schedule_to_close: timedelta | None = None
    heartbeat: timedelta | None = None
    retry: RetryPolicy | None = None
    priority: int | None = None
    cancellation: Cancellation = Cancellation.TRY


@dataclass(frozen=True, slots=True)
class Activity(Generic[P, R]):
    """An activity's signature; calling it inside a workflow schedules the activity and gives its result.

    ``function`` is the declared stub: its annotations say how arguments and result travel. It is the implementation
    too where the activity is not ``abstract``.
    """

    name: str
    version: str
    options: ActivityOptions
    function: Callable[P, Coroutine[Any, Any, R]]
    abstract: bool = True
    request: swf.Attributes = field(init=False, repr=False, compare=False)
    """What the decision that schedules it says of every call alike: all but its id and input."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "request", _request(self.type, self.options))

    @property
    def type(self) -> swf.TypeId:
        """The SWF activity type."""
        return swf.TypeId(self.name, self.version)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Schedule the activity when awaited, and give its result.

        Raises :class:`errors.ActivityFailed` or :class:`errors.ActivityTimedOut` after the retries of the options,
        :class:`errors.PayloadTooLarge` when the arguments do not fit.

        Cancelled here, the awaiting code gets ``CancelledError`` at once and SWF is asked to cancel the activity. The
        activity itself **may still be running**, and may even complete: its outcome is not seen any more. Other
        manners are chosen with ``using(cancellation=...)``.
        """
        return execution.execute(self, self.encode_arguments(*args, **kwargs))

    def using(
        self,
        *,
        task_list: str | None = None,
        schedule_to_start: timedelta | _Unchanged | None = UNCHANGED,
        start_to_close: timedelta | _Unchanged | None = UNCHANGED,
        schedule_to_close: timedelta | _Unchanged | None = UNCHANGED,
        heartbeat: timedelta | _Unchanged | None = UNCHANGED,
        retry: RetryPolicy | _Unchanged | None = UNCHANGED,
        priority: int | None = None,
        cancellation: Cancellation | None = None,
    ) -> Activity[P, R]:
        """The same activity with other options; workers still send heartbeats at the declared pace.

        Tasks of higher ``priority`` are handed out first, as far as SWF can; ``cancellation`` says what becomes of the
        activity when the code that awaits it is cancelled.
        """
        given = {
            "schedule_to_start": schedule_to_start,
            "start_to_close": start_to_close,
            "schedule_to_close": schedule_to_close,
            "heartbeat": heartbeat,
            "retry": retry,
        }
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not UNCHANGED}
        kept = {"task_list": task_list, "priority": priority, "cancellation": cancellation}
        changes |= {name: value for name, value in kept.items() if value is not None}
        return replace(self, options=replace(self.options, **changes))

    def encode_arguments(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The call's arguments as a JSON array of positional arguments."""
        shape = _shape(self.function)
        values = shape.positional(args, kwargs)
        return codec.encode(values, shape.arguments_type(len(values)), field="input")

    def decode_arguments(self, text: str | None) -> tuple[Any, ...]:
        """Arguments for the implementation; last ones that an older caller left out take the stub's defaults."""
        shape = _shape(self.function)
        return shape.filled(codec.decode(text, shape.arguments_type(_array_length(text))))

    def encode_result(self, value: R) -> str:
        """The activity's result as payload text."""
        return codec.encode(value, _shape(self.function).result_type, field="result")

    def decode_result(self, text: str | None) -> R:
        """The activity's result from payload text."""
        result: R = codec.decode(text, _shape(self.function).result_type)
        return result


@dataclass(frozen=True, slots=True)
class WorkflowSignature(Generic[In, Out]):
    """A workflow's signature. ``execution_timeout`` bounds one run, ``decision_timeout`` one decision task."""

    name: str
    version: str
    input_type: type[In]
    output_type: type[Out]
    execution_timeout: timedelta
    decision_timeout: timedelta
    child_policy: str = "TERMINATE"

    @property
    def type(self) -> swf.TypeId:
        """The SWF workflow type."""
        return swf.TypeId(self.name, self.version)


@dataclass(frozen=True, slots=True)
class SignalSignature(Generic[In]):
    """A signal's name and the type of its value."""

    name: str
    input_type: type[In]


def abstract_activity(
    *,
    name: str,
    version: str,
    schedule_to_start: timedelta | None = None,
    start_to_close: timedelta | None = None,
    schedule_to_close: timedelta | None = None,
    heartbeat: timedelta | None = None,
    retry: RetryPolicy | None = None,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Activity[P, R]]:
    """Declare an activity by an ``async def`` stub that has annotations and a docstring but no body."""
    options = ActivityOptions(None, schedule_to_start, start_to_close, schedule_to_close, heartbeat, retry)

    def declare(function: Callable[P, Coroutine[Any, Any, R]]) -> Activity[P, R]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{name}: declare activities with async def")
        return Activity(name, version, options, function)

    return declare


def _request(kind: swf.TypeId, options: ActivityOptions) -> swf.Attributes:
    """Of ScheduleActivityTask, with all time limits spelled out; only the list is left to the type's default."""
    attributes: dict[str, swf.Json] = {
        "activityType": {"name": kind.name, "version": kind.version},
        "scheduleToStartTimeout": _limit(options.schedule_to_start),
        "startToCloseTimeout": _limit(options.start_to_close),
        "scheduleToCloseTimeout": _limit(options.schedule_to_close),
        "heartbeatTimeout": _limit(options.heartbeat),
    }
    if options.task_list is not None:
        attributes["taskList"] = {"name": options.task_list}
    if options.priority is not None:
        attributes["taskPriority"] = str(options.priority)
    limits.check(attributes)
    return attributes


def _limit(limit: timedelta | None) -> str:
    return "NONE" if limit is None else str(math.ceil(limit.total_seconds()))


@dataclass(frozen=True, slots=True)
class _Shape:
    """A stub's parameters, as far as calls by position need them."""

    signature: inspect.Signature
    types: tuple[Any, ...]
    defaults: tuple[Any, ...]
    result_type: Any

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if not kwargs and len(args) == len(self.types):
            return args
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args

    def filled(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        missing = self.defaults[len(values) :]
        if inspect.Parameter.empty in missing:
            raise errors.PayloadMismatch(f"{len(values)} arguments given, {len(self.types)} wanted")
        return values + missing

    def arguments_type(self, count: int) -> Any:
        # A caller that knows more parameters than this stub is refused by the full tuple's own check.
        return types.GenericAlias(tuple, self.types[:count])


@functools.lru_cache(maxsize=4096)
def _shape(function: Callable[..., Any]) -> _Shape:
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function, include_extras=True)
    for parameter in signature.parameters.values():
        if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or parameter.name not in hints:
            raise TypeError(f"{function.__qualname__}: {parameter.name} must be a plain annotated parameter")
    return _Shape(
        signature,
        tuple(hints[name] for name in signature.parameters),
        tuple(parameter.default for parameter in signature.parameters.values()),
        hints.get("return", type(None)),
    )


def _array_length(text: str | None) -> int:
    try:
        values = pydantic_core.from_json(codec.unpack(text))
    except ValueError as error:
        raise errors.PayloadMismatch(f"activity input is not JSON: {error}") from error
    if not isinstance(values, list):
        raise errors.PayloadMismatch("activity input is not an array of arguments")
    return len(values)
