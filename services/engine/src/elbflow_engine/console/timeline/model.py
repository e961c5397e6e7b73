"""What a timeline shows: spans in lanes, and marks at instants."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Outcome(enum.StrEnum):
    """How a span ended; the value is also its class in the picture."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELED = "canceled"
    TERMINATED = "terminated"

    @property
    def is_bad(self) -> bool:
        return self in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.TERMINATED)


@dataclass(slots=True)
class Span:
    """Something that is scheduled, starts and ends. Instants in epoch milliseconds, None = not yet.

    ``event_id`` is the event that opened it, ``last_id`` the latest one about it, ``text`` what a reader wants to
    know beside times.
    """

    event_id: int
    text: str
    scheduled_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    outcome: Outcome = Outcome.OPEN
    last_id: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """One event without duration; ``kind`` is signal, cancel, marker or problem."""

    event_id: int
    kind: str
    ms: int
    text: str


@dataclass(slots=True)
class Lane:
    """Spans and marks of one kind, in the order they began; ``family`` is also its class in the picture."""

    family: str
    label: str
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """How many spans failed, timed out or were terminated."""
        return sum(span.outcome.is_bad for span in self.spans)


@dataclass(slots=True)
class Story:
    """A whole history as lanes, top to bottom. ``end_ms`` of an open execution is the present."""

    start_ms: int
    end_ms: int
    closed: bool
    lanes: list[Lane] = field(default_factory=list)
    idle: list[tuple[int, int]] = field(default_factory=list)
    """Stretches in which nothing happens and nothing but timers is open, ascending."""
