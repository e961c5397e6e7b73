"""Source lines of workflow code: where a command was asked for, where an error came from, where a task waits."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import Callable
from types import CoroutineType, FrameType, TracebackType
from typing import Any

_OURS = (
    __file__.rpartition("/core/")[0] + "/",
    asyncio.__file__.rpartition("/")[0] + "/",
    contextlib.__file__,
)


def here() -> str:
    """The nearest calling line that is workflow code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return "" if frame is None else _line(frame, frame.f_lineno)


def of_error(error: BaseException) -> str:
    """The innermost line of workflow code that ``error`` passed; of a group, that of its first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    found = ""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_OURS):
            found = _line(step.tb_frame, step.tb_lineno)
        step = step.tb_next
    return found


def of_task(task: asyncio.Task[Any]) -> str:
    """The innermost line of workflow code at which ``task`` waits."""
    found = ""
    coro: object = task.get_coro()
    while isinstance(coro, CoroutineType):
        frame = coro.cr_frame
        if frame is not None and not frame.f_code.co_filename.startswith(_OURS):
            found = _line(frame, frame.f_lineno)
        coro = coro.cr_await
    return found


def of_function(function: Callable[..., Any]) -> str:
    """Where a function begins."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno} in {code.co_qualname}"


def _line(frame: FrameType, number: int) -> str:
    return f"{frame.f_code.co_filename}:{number} in {frame.f_code.co_qualname}"
