"""``asyncio.wait`` and ``asyncio.as_completed`` in an order that repeats (spec/anchors 3.8 rule 7, finding 13).

Both put what they are given into sets. The loop's own tasks and futures hash by creation number; coroutines hash by
address, so they must be tasks before they come to such a set.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from elbflow.flow import errors

if TYPE_CHECKING:
    from elbflow.flow.core.loop import Loop

_TASKS_FILE = asyncio.tasks.__file__


@contextlib.contextmanager
def ordered(loop: Loop, has_order: Callable[[object], bool]) -> Iterator[None]:
    """Inside the block, ``wait`` and ``as_completed`` on ``loop`` keep the order of what they are given.

    ``has_order`` tells the loop's own tasks and futures. Other threads' loops are served as ever.
    """

    found_wait, found_as_completed = asyncio.wait, asyncio.as_completed

    def wait(fs: Iterable[Any], **options: Any) -> Any:
        waited = list(fs)
        if asyncio._get_running_loop() is loop and not all(map(has_order, waited)):
            raise _refusal(loop, "asyncio.wait() over other things than tasks", "wrap them with asyncio.create_task()")
        return found_wait(waited, **options)

    def as_completed(fs: Iterable[Any], **options: Any) -> Any:
        if asyncio._get_running_loop() is not loop:
            return found_as_completed(fs, **options)
        if isinstance(fs, (set, frozenset)) and not all(map(has_order, fs)):
            raise _refusal(loop, "asyncio.as_completed() over a set of coroutines", "pass a list")
        return found_as_completed([asyncio.ensure_future(item) for item in fs], **options)

    setattr(asyncio, "wait", wait)  # noqa: B010  # an assignment would need the overloads of every Python version
    setattr(asyncio, "as_completed", as_completed)  # noqa: B010
    try:
        yield
    finally:
        asyncio.wait, asyncio.as_completed = found_wait, found_as_completed


def refuse_disorder(loop: Loop) -> None:
    """Called when a task is made: the unordered ``as_completed``, imported by name beforehand, must not make it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == _TASKS_FILE:
        if "as_completed" in frame.f_code.co_name or "_AsCompleted" in frame.f_code.co_qualname:
            raise _refusal(loop, "as_completed() imported by name", "import asyncio and call asyncio.as_completed()")
        frame = frame.f_back


def _refusal(loop: Loop, what: str, remedy: str) -> errors.NonDeterministicCall:
    """The error to raise; the decision is withheld even if the workflow catches it."""
    error = errors.NonDeterministicCall(f"{what} is not reproducible inside a workflow: {remedy}")
    loop.instance.withhold(error)
    return error
