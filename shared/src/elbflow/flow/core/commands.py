"""The outbox of a workflow: decisions in the order they were asked for, on their way to SWF."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Protocol

from elbflow import swf
from elbflow.flow import errors, limits, location
from elbflow.flow.core import forms

MOST_DECISIONS = 100
"""Decisions per completion; spec/swf-semantics 7 advises what AWS's own framework does."""

MOST_BYTES = 600_000
"""Size of one completion as it is sent, which escapes all but ASCII: a request must stay under SWF's 1 MB."""

MOST_MARKER_BYTES = 300_000
"""The same for the markers of one completion, which come on top: they are never split."""


class Entity(Protocol):
    """What SWF was asked for and tells about later. ``news`` takes an event and says whether more are to come."""

    def news(self, event: swf.HistoryEvent) -> bool: ...


@dataclass(eq=False, slots=True)
class Command:
    """A decision on its way to SWF. ``entity`` is what hears of the event that history answers it with."""

    decision: swf.Decision
    location: str
    entity: Entity | None = None
    is_marker: bool = False
    sent: bool = False
    lasting: bool = False

    def weight(self) -> int:
        text = self._text()
        return 500 + (len(json.dumps(text)) if isinstance(text, str) else 0)

    def most_weight(self) -> int:
        """Never less than :meth:`weight`, and cheaper: JSON escapes a character with at most twelve."""
        text = self._text()
        return 502 + (12 * len(text) if isinstance(text, str) else 0)

    def _text(self) -> swf.Json:
        return self.decision.attributes.get("details" if self.is_marker else "input")


class Outbox:
    """Commands in the order they were asked for. What exceeds one completion stays for the next."""

    def __init__(self) -> None:
        self._waiting: dict[int, Command] = {}
        self._marker_bytes = 0
        self._forced = itertools.count(1)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, decision: swf.Decision, entity: Entity | None = None, at: str | None = None, counts: bool = True
    ) -> Command:
        """Ask for ``decision``; a marker ``counts`` among those whose bytes are limited. Raises PayloadTooLarge."""
        limits.check(decision.attributes)
        is_marker = decision.type == "RecordMarker"
        command = Command(decision, location.here() if at is None else at, entity, is_marker)
        if is_marker and counts:
            size = self._marker_bytes + command.weight()
            if size > MOST_MARKER_BYTES:
                raise errors.PayloadTooLarge.of("markers of one decision", size, MOST_MARKER_BYTES)
            self._marker_bytes = size
        self._waiting[id(command)] = command
        return command

    def withdraw(self, command: Command) -> None:
        """Forget a command that was not sent yet."""
        self._waiting.pop(id(command), None)

    def bury(self) -> None:
        """Before a close: forget what would die with the execution."""
        self._waiting = {k: c for k, c in self._waiting.items() if c.lasting or c.decision.type not in forms.MORTAL}

    def concerns_others(self) -> bool:
        """Whether anything waits to be sent that other executions are to hear of."""
        return any(c.decision.type not in forms.MORTAL and not c.is_marker for c in self._waiting.values())

    def take(self) -> tuple[Command, ...]:
        """What goes into this completion; a zero timer forces the next one when something is left over.

        Markers go at once whatever their number: replay looks for them in the record of the decision that asked.
        """
        others = [command for command in self._waiting.values() if not command.is_marker]
        left = others[_fitting(others) :]
        for command in left:
            del self._waiting[id(command)]
        taken, self._marker_bytes = list(self._waiting.values()), 0
        self._waiting = {id(command): command for command in left}
        if left:
            taken.append(Command(start_timer(f"next-decision-{next(self._forced)}", 0), "the decision was split"))
        for command in taken:
            command.sent = True
        return tuple(taken)


def _fitting(commands: list[Command]) -> int:
    """How many fit into one completion, together with the timer that the others would need."""
    if len(commands) <= MOST_DECISIONS and sum(command.most_weight() for command in commands) <= MOST_BYTES:
        return len(commands)
    weights = itertools.accumulate(command.weight() for command in commands[: MOST_DECISIONS + 1])
    fitting = max(1, sum(1 for weight in weights if weight <= MOST_BYTES))
    return fitting if fitting == len(commands) <= MOST_DECISIONS else min(fitting, MOST_DECISIONS - 1)


def start_timer(timer_id: str, seconds: int) -> swf.Decision:
    return swf.Decision("StartTimer", {"timerId": timer_id, "startToFireTimeout": str(seconds)})
