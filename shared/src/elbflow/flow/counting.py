"""Cancellations counted alike under any Python, namely as from 3.13 on (spec/anchors 3.1, 3.8 rule 7, finding 13).

Until then ``Task.uncancel`` did not take back a cancellation that had still to be delivered, and a ``TaskGroup`` that
raised its members' errors lost the cancellation it had swallowed meanwhile. Workflows would see another course when a
member fails in the decision in which a timeout around its group ends. What stands in here is only for older Pythons,
and only workflows' tasks and their groups meet it. ``asyncio.timeout`` needs nothing of its own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
Method = Callable[..., Any]


class CountingTask(asyncio.Task[T]):
    """A task that keeps a cancellation to itself until the coroutine takes its next step.

    asyncio's own could not take it back. Its ``_must_cancel`` is set only for a coroutine that has ended.
    """

    owed = False
    """Whether a cancellation is still to be delivered; its message is where asyncio looks for it."""
    _requests = 0

    def __init__(self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], **options: Any) -> None:
        self._plain = coro
        super().__init__(_Steps(coro, self) if asyncio.iscoroutine(coro) else coro, **options)

    def get_coro(self) -> Any:
        return self._plain

    def cancel(self, msg: Any = None) -> bool:
        self._log_traceback = False
        if self.done():
            return False
        self._requests += 1
        awaited = self._fut_waiter  # type: ignore[attr-defined]
        if awaited is None or not awaited.cancel(msg=msg):
            self.owed, self._cancel_message = True, msg
        return True

    def cancelling(self) -> int:
        return self._requests

    def uncancel(self) -> int:
        self._requests = max(0, self._requests - 1)
        if not self._requests:
            self.owed = False
        return self._requests

    def cancelled_error(self) -> asyncio.CancelledError:
        message = self._cancel_message
        return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)


class _Steps(Coroutine[Any, Any, T]):
    """A task's coroutine, with what the task owes it. Lets go of the task at the end, so that there is no cycle."""

    __slots__ = ("coro", "task")

    def __init__(self, coro: Any, task: CountingTask[T]) -> None:
        self.coro = coro
        self.task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coro, name)  # cr_frame and its like: asyncio shows where a task stands

    def __await__(self) -> Generator[Any, Any, T]:
        return self.coro.__await__()  # type: ignore[no-any-return]

    def send(self, value: Any) -> Any:
        task = self.task
        if task.owed:
            return self.throw(None)
        try:  # as in throw(): a call less in the step that every task takes again and again
            awaited = self.coro.send(value)
        except BaseException as end:
            self._end(end)
            del self, task
            raise
        if task.owed and awaited is not None:
            task.owed = not awaited.cancel(msg=task._cancel_message)
        return awaited

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        task = self.task
        if task.owed:
            task.owed = False
            if not isinstance(typ, asyncio.CancelledError):
                typ = task.cancelled_error()
        try:
            awaited = self.coro.throw(typ)
        except BaseException as end:
            self._end(end)
            del self, task, typ  # the frame stays in tracebacks
            raise
        if task.owed and awaited is not None:
            task.owed = not awaited.cancel(msg=task._cancel_message)
        return awaited

    def close(self) -> None:
        self.coro.close()

    def _end(self, end: BaseException) -> None:
        task = self.task
        del self.task
        if task.owed and isinstance(end, StopIteration):
            asyncio.Task.cancel(task, task._cancel_message)  # it returned, but counts as cancelled


_leave = asyncio.TaskGroup.__aexit__
_create_task = asyncio.TaskGroup.create_task


def _leave_group(group: Any, *error: Any) -> Any:
    return (_leave_counting if isinstance(group._parent_task, CountingTask) else _leave)(group, *error)


async def _leave_counting(group: Any, *error: Any) -> None:
    """Wait for the members first; then take back the group's own cancellation, and renew what it has swallowed."""
    parent = group._parent_task
    own, group._parent_cancel_requested = group._parent_cancel_requested, False
    try:
        await _leave(group, *error)
    except BaseExceptionGroup:
        if own or group._parent_cancel_requested:
            parent.uncancel()
        if parent.cancelling():
            parent.uncancel()
            parent.cancel()
        raise


def _create_member(group: Any, coro: Any, **options: Any) -> Any:
    try:
        return _create_task(group, coro, **options)
    except RuntimeError:
        if isinstance(group._parent_task, CountingTask):
            coro.close()  # the group is over: nobody will await it
        raise


METHODS: tuple[tuple[type, str, Method, Method], ...] = ()
"""What to replace while workflows run: owner, name, stand-in, and what stood there."""

if sys.version_info >= (3, 13):
    Task = asyncio.Task
else:
    Task = CountingTask
    METHODS = (
        (asyncio.TaskGroup, "__aexit__", _leave_group, _leave),
        (asyncio.TaskGroup, "create_task", _create_member, _create_task),
    )
