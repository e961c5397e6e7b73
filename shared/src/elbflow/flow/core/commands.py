"""What a workflow asks SWF for: an outbox of decisions and one small state machine per entity.

::

    activity   asked → scheduled → closed            asked → dropped                    (cancelled before it was sent)
                          └→ cancelling → closed     (the awaiting code has gone on; the outcome is not seen)
    timer      asked → started → fired | cancelled   asked → dropped                    StartTimerFailed: asked again
    marker     asked → recorded
    close      see ``closing``
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import errors
from elbflow.flow.core import location

MOST_DECISIONS = 100
"""Decisions per completion; spec/swf-semantics 7 advises what AWS's own framework does."""

MOST_BYTES = 900_000
"""Size of one completion as it is sent, which escapes all but ASCII: a request must stay under SWF's 1 MB."""

LONGEST_TIMER_S = 31_536_000
"""A year: SWF's bound of timers and of executions, so a longer timer never fires anyway."""


@dataclass(eq=False, slots=True)
class Command:
    """A decision on its way to SWF. ``recorded`` is called with the event that history answered it with."""

    decision: swf.Decision
    location: str
    recorded: Callable[[swf.HistoryEvent], None] | None = None
    sent: bool = False

    def weight(self) -> int:
        text = self.decision.attributes.get("input")
        return 500 + (len(json.dumps(text)) if isinstance(text, str) else 0)


class Outbox:
    """Commands in the order they were asked for. What exceeds one completion stays for the next."""

    def __init__(self) -> None:
        self._waiting: dict[int, Command] = {}
        self._forced = itertools.count(1)

    def add(
        self, decision: swf.Decision, recorded: Callable[[swf.HistoryEvent], None] | None = None, at: str | None = None
    ) -> Command:
        command = Command(decision, location.here() if at is None else at, recorded)
        self._waiting[id(command)] = command
        return command

    def withdraw(self, command: Command) -> None:
        """Forget a command that was not sent yet."""
        self._waiting.pop(id(command), None)

    def keep_markers_only(self) -> None:
        """Before a close: everything else would die with the execution."""
        self._waiting = {
            key: command for key, command in self._waiting.items() if command.decision.type == "RecordMarker"
        }

    def take(self) -> tuple[Command, ...]:
        """What goes into this completion; a zero timer forces the next one when something is left over."""
        taken: list[Command] = []
        weight = 0
        for command in self._waiting.values():
            weight += command.weight()
            if taken and weight > MOST_BYTES:
                break
            taken.append(command)
        if len(taken) == len(self._waiting) <= MOST_DECISIONS:
            self._waiting.clear()
        else:
            taken = taken[: MOST_DECISIONS - 1]
            for command in taken:
                del self._waiting[id(command)]
            timer_id = f"next-decision-{next(self._forced)}"
            taken.append(Command(start_timer(timer_id, 0), "the decision was split"))
        for command in taken:
            command.sent = True
        return tuple(taken)


def start_timer(timer_id: str, seconds: int) -> swf.Decision:
    return swf.Decision("StartTimer", {"timerId": timer_id, "startToFireTimeout": str(seconds)})


class Activity:
    """One attempt of an activity; ``future`` gets its outcome.

    Once history has recorded it, it stands in ``scheduled`` under the id of the event that did.
    """

    def __init__(
        self,
        outbox: Outbox,
        scheduled: dict[int, Activity],
        name: str,
        attributes: swf.Attributes,
        future: asyncio.Future[str | None],
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._scheduled = scheduled
        self._id = attributes["activityId"]
        self._future = future
        self._open = True
        self._command = outbox.add(swf.Decision("ScheduleActivityTask", attributes), self._recorded)

    def complete(self, result: str | None) -> None:
        if self._close():
            self._future.set_result(result)

    def fail(self, error: errors.ActivityError) -> None:
        if self._close():
            self._future.set_exception(error)

    def request_cancel(self) -> None:
        """The awaiting code was cancelled: drop the activity if SWF does not know it yet, else have it cancelled."""
        if not self._open:
            return
        self._open = False
        if self._command.sent:
            self._outbox.add(swf.Decision("RequestCancelActivityTask", {"activityId": self._id}))
        else:
            self._outbox.withdraw(self._command)

    def _close(self) -> bool:
        awaited, self._open = self._open and not self._future.done(), False
        return awaited

    def _recorded(self, event: swf.HistoryEvent) -> None:
        self._scheduled[event.id] = self


class Timer:
    """One timer of the loop; ``fire`` makes its callback ready."""

    def __init__(self, outbox: Outbox, timer_id: str, seconds: int, fire: Callable[[], None]) -> None:
        self.timer_id = timer_id
        self._outbox = outbox
        self._seconds = seconds
        self._fire = fire
        self._open = True
        self._command = self._ask()

    def fired(self) -> None:
        if self._open:
            self._open = False
            self._fire()

    def cancel(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._command.sent:
            self._outbox.add(swf.Decision("CancelTimer", {"timerId": self.timer_id}))
        else:
            self._outbox.withdraw(self._command)

    def refused(self) -> None:
        """SWF's rate limit: ask again with the next decision, unless nobody wants the timer any more."""
        if self._open:
            self._command = self._ask()

    def _ask(self) -> Command:
        return self._outbox.add(start_timer(self.timer_id, self._seconds))
