"""Fake activities: what a test may bind to an activity, and what it may say besides giving a result.

A fake is a function, plain or ``async``, that takes the activity's arguments, or the outcome itself: a result, or an
exception that is raised. An error of :class:`elbflow.errors.Permanent` fails the activity for good, any other as the
workflow's retries say. In ``async`` fakes ``asyncio.sleep`` and ``asyncio.timeout`` take virtual time, and
``flow.activity_context()`` sends heartbeats.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


class Never(Exception):
    """Raised by a fake: its worker dies. The activity stays open until it times out or the workflow ends it."""


class TimesOut(Exception):
    """Raised by a fake: the activity times out in this way, when the limit is over that its options set.

    ``details`` are those of its last heartbeat. Without such a limit it times out at once. An activity that no worker
    takes is bound to ``TimesOut("SCHEDULE_TO_START")`` itself.
    """

    def __init__(self, timeout_type: str = "START_TO_CLOSE", details: str | None = None) -> None:
        super().__init__(timeout_type)
        self.timeout_type = timeout_type
        self.details = details


@dataclass(frozen=True, slots=True)
class Taking:
    """A result, or an error, that takes ``delay`` of virtual time to come."""

    delay: timedelta
    result: Any = None


def taking(delay: timedelta, result: Any = None) -> Taking:
    """Give ``result`` after ``delay`` of virtual time, or raise it. Fakes return it; it may be bound itself."""
    return Taking(delay, result)


def in_turn(*outcomes: Any) -> Callable[..., Any]:
    """A fake that gives one outcome per call, the last one ever after; exceptions among them are raised."""
    if not outcomes:
        raise ValueError("in_turn() needs at least one outcome")
    left = list(outcomes)

    def fake(*_arguments: object) -> Any:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return fake


async def invoke(fake: Any, arguments: tuple[Any, ...]) -> Any:
    """The fake's result, once all that it takes has passed."""
    if isinstance(fake, Exception):
        raise fake
    outcome = fake(*arguments) if callable(fake) else fake
    if inspect.isawaitable(outcome):
        outcome = await outcome
    if isinstance(outcome, Taking):
        await asyncio.sleep(outcome.delay.total_seconds())
        if isinstance(outcome.result, Exception):
            raise outcome.result
        return outcome.result
    return outcome
