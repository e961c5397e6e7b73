"""Source lines of workflow code: where a command was asked for, where an error came from, where a task waits."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import sys
from collections.abc import Callable
from types import CoroutineType, FrameType, TracebackType
from typing import Any

_FLOW = __file__.rpartition("location.py")[0]
_CALLERS = tuple(_FLOW + name for name in ("core/", "context.py", "counting.py", "definition.py", "ordering.py"))
"""What of the runtime calls workflow code: its tasks, predicates, signal methods and queries, ``wait_for``."""
_OURS = (
    _FLOW,
    asyncio.__file__.rpartition("/")[0] + "/",
    contextlib.__file__,
)

_BOTTOM = ("send", "throw", "run_ready")
"""What calls a task, by name, in ``counting`` and the loop: no workflow code is below."""


def here() -> str:
    """The nearest line of workflow code that led to the caller, which is the runtime's; empty when a task has none, as
    an activity in ``gather``.

    Each frame that is looked at costs: whoever calls this for every activity calls it early.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = None if frame.f_code.co_name in _BOTTOM else frame.f_back
    return "" if frame is None else line(frame, frame.f_lineno)


@functools.lru_cache(maxsize=4096)
def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def is_workflows(frame: FrameType) -> bool:
    """Whether a running frame is workflow code: not the runtime's, not asyncio's, nor what these called."""
    if _is_ours(frame.f_code.co_filename):
        return False
    caller: FrameType | None = frame
    while caller is not None and not caller.f_code.co_filename.startswith(_FLOW):
        caller = caller.f_back
    return caller is not None and caller.f_code.co_filename.startswith(_CALLERS)


def of_error(error: BaseException) -> str:
    """The innermost line of workflow code that ``error`` passed; of a group, that of its first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    found = ""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if not _is_ours(step.tb_frame.f_code.co_filename):
            found = line(step.tb_frame, step.tb_lineno)
        step = step.tb_next
    return found


def of_task(task: asyncio.Task[Any]) -> str:
    """The innermost line of workflow code at which ``task`` waits."""
    found = ""
    coro: object = task.get_coro()
    while isinstance(coro, CoroutineType):
        frame = coro.cr_frame
        if frame is not None and not _is_ours(frame.f_code.co_filename):
            found = line(frame, frame.f_lineno)
        coro = coro.cr_await
    return found


def of_function(function: Callable[..., Any]) -> str:
    """Where a function begins."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno} in {code.co_qualname}"


def line(frame: FrameType, number: int) -> str:
    return f"{frame.f_code.co_filename}:{number} in {frame.f_code.co_qualname}"
