"""``asyncio.wait`` and its kin in an order that repeats under any Python (spec/anchors 3.8 rule 7, finding 13).

They put what they are given into sets. The loop's own tasks and futures hash by creation number; coroutines hash by
address, so they must be tasks before they come to such a set. ``wait_for`` made a task of its own until Python 3.12:
here it never does, else histories recorded by one version would not be repeated by the other. For the same reason
``gather`` takes no turn for what is done already, a cancelled ``Condition.wait`` passes its turn on to another waiter,
as newer releases of each version have it do, and cancellations are counted by :mod:`elbflow.flow.counting`.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from elbflow.flow import counting, errors

if TYPE_CHECKING:
    from elbflow.flow.core.loop import Loop

_TASKS_FILE = asyncio.tasks.__file__
_asyncios_gather = asyncio.gather
_condition_wait = asyncio.Condition.wait

_lock = threading.Lock()
_entered: dict[asyncio.AbstractEventLoop | None, Loop] = {}
"""The workflows' loops that run now, each in its thread; the functions are replaced while there is one."""


@contextlib.contextmanager
def ordered(loop: Loop) -> Iterator[None]:
    """Inside the block, ``wait``, ``gather`` and their kin on ``loop`` are reproducible.

    Other threads' loops are served as ever.
    """
    with _lock:
        _entered[loop] = loop
        if len(_entered) == 1:
            _put_up()
    try:
        yield
    finally:
        with _lock:
            del _entered[loop]
            if not _entered:
                _take_down()


def _put_up() -> None:
    """Take what stands there now, which need not be asyncio's own, and stand in for it."""
    _found.update((name, getattr(asyncio, name)) for name in _STAND_INS)
    vars(asyncio).update(_STAND_INS)
    for owner, name, stand_in, _ in _METHODS:
        setattr(owner, name, stand_in)


def _take_down() -> None:
    vars(asyncio).update(_found)
    for owner, name, _, original in _METHODS:
        setattr(owner, name, original)


def _wait(fs: Iterable[Any], **options: Any) -> Any:
    loop = _entered.get(asyncio._get_running_loop())
    if loop is None:
        return _found["wait"](fs, **options)
    waited = list(fs)
    if not all(map(_has_order, waited)):
        raise refusal(loop, "asyncio.wait() over other things than tasks", "wrap them with asyncio.create_task()")
    return _found["wait"](waited, **options)


def _as_completed(fs: Iterable[Any], **options: Any) -> Any:
    loop = _entered.get(asyncio._get_running_loop())
    if loop is None:
        return _found["as_completed"](fs, **options)
    if isinstance(fs, (set, frozenset)) and not all(map(_has_order, fs)):
        raise refusal(loop, "asyncio.as_completed() over a set of coroutines", "pass a list")
    return _found["as_completed"]([asyncio.ensure_future(item) for item in fs], **options)


def _all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> set[asyncio.Task[Any]]:
    ours = _entered.get(loop or asyncio._get_running_loop())
    return _found["all_tasks"](loop) if ours is None else set(ours.unfinished())


def _wait_for_either(fut: Any, timeout: float | None) -> Any:
    ours = asyncio._get_running_loop() in _entered
    return (_wait_for if ours else _found["wait_for"])(fut, timeout)


def _gather(*awaited: Any, **options: Any) -> Any:
    gathered = _found["gather"]
    return gathered(*awaited, **options) if asyncio._get_running_loop() not in _entered else gather(*awaited, **options)


def gather(*awaited: Any, **options: Any) -> Any:
    """As from Python 3.12 on: earlier ones heard a turn later of what is done already."""
    ready = asyncio._get_running_loop()._ready  # type: ignore[union-attr]
    waiting = len(ready)
    gathered = _asyncios_gather(*awaited, **options)
    for handle in list(ready)[waiting:]:
        if getattr(handle._callback, "__module__", "") == asyncio.tasks.__name__:
            ready.remove(handle)
            handle._run()
    return gathered


def _has_order(item: object) -> bool:
    """The loop's own tasks and futures hash by number."""
    return isinstance(item, asyncio.Future) and hasattr(item, "_number")


async def _passing_on(condition: asyncio.Condition) -> bool:
    try:
        return await _condition_wait(condition)
    except asyncio.CancelledError:
        condition.notify()
        raise


async def _wait_for(awaited: Any, timeout: float | None) -> Any:
    """As in Python 3.12; what has no time at all does not begin."""
    if timeout is None or timeout > 0:
        async with asyncio.timeout(timeout):
            return await awaited
    future = asyncio.ensure_future(awaited)
    if future.done():
        return future.result()
    future.cancel()
    await asyncio.wait([future])
    try:
        return future.result()
    except asyncio.CancelledError as error:
        raise TimeoutError from error


_STAND_INS: dict[str, Callable[..., Any]] = {
    "wait": _wait,
    "as_completed": _as_completed,
    "all_tasks": _all_tasks,
    "wait_for": _wait_for_either,
}
if sys.version_info < (3, 12):
    _STAND_INS["gather"] = _gather
_found: dict[str, Callable[..., Any]] = {}
_METHODS = counting.METHODS
if "_notify" not in _condition_wait.__code__.co_names:
    _METHODS += ((asyncio.Condition, "wait", _passing_on, _condition_wait),)


def refuse_disorder(loop: Loop) -> None:
    """Called when a task is made: no function imported by name beforehand that is replaced here must make it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == _TASKS_FILE:
        if "as_completed" in frame.f_code.co_name or "_AsCompleted" in frame.f_code.co_qualname:
            raise refusal(loop, "as_completed() imported by name", "import asyncio and call asyncio.as_completed()")
        if frame.f_code.co_name == "wait_for" and sys.version_info < (3, 12):
            raise refusal(loop, "wait_for() imported by name", "import asyncio and call asyncio.wait_for()")
        frame = frame.f_back


def refusal(loop: Loop, what: str, remedy: str) -> errors.NonDeterministicCall:
    """The error to raise; the decision is withheld even if the workflow catches it."""
    error = errors.NonDeterministicCall(f"{what} is not reproducible inside a workflow: {remedy}")
    loop.instance.withhold(error)
    return error
