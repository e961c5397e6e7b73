"""Awaiting what SWF does, and what a cancellation of the awaiting code means for it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import TypeVar

from elbflow.flow import context

T = TypeVar("T")


class Cancellation(enum.Enum):
    """What becomes of an activity whose awaiting code is cancelled."""

    TRY = "try"
    """SWF is asked to cancel it; the code goes on at once, and the outcome is not seen."""
    WAIT = "wait"
    """SWF is asked to cancel it; the code goes on when it has ended. See :func:`last_outcome_of`."""
    ABANDON = "abandon"
    """SWF is not asked: it may run to its end, and the outcome is not seen."""


async def outcome_of(future: asyncio.Future[T], on_cancel: Callable[[], None]) -> T:
    """Await ``future``; cancelled here, call ``on_cancel`` and go on at once with ``CancelledError``."""
    try:
        return await future
    except asyncio.CancelledError:
        context.unless_closing(on_cancel)
        raise


async def last_outcome_of(future: asyncio.Future[T], on_cancel: Callable[[], None]) -> T:
    """Await ``future``; cancelled here, call ``on_cancel`` and await it further.

    If it ends as cancelled, so does this; any other outcome is given as it is, and the cancellation arrives at the next
    await. So the caller knows whether there is something to undo.
    """
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            context.current()  # put away, the instance asks for nothing
            if not cancelled:
                on_cancel()
            cancelled = True
    if cancelled and not future.cancelled():
        cancel_later()
    return future.result()


def cancel_later() -> None:
    """Deliver a swallowed cancellation again, unless an enclosing ``asyncio.timeout`` turns out to account for it."""
    task = asyncio.current_task()
    assert task is not None, "workflow code runs in tasks"
    requests = task.cancelling()

    def deliver() -> None:
        if not task.done() and task.cancelling() >= requests:
            task.uncancel()
            task.cancel()

    asyncio.get_running_loop().call_soon(deliver)
