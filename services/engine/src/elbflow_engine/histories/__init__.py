"""What must hold of every history, at every moment (spec/swf-semantics 3, 5, 8, 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from elbflow_engine.histories.chronicle import Chronicle, Violation
from elbflow_engine.histories.event_rules import CLOSE, RULES
from elbflow_engine.histories.families import Run, check_together

__all__ = ["CLOSE", "Chronicle", "Event", "Run", "Violation", "attributes", "check", "check_together", "parse", "show"]

Event = dict[str, Any]


def attributes(event: Event) -> dict[str, Any]:
    """The attribute block of an event."""
    block: dict[str, Any] = event[RULES[event["eventType"]].block]
    return block


def parse(events: Sequence[bytes]) -> list[Event]:
    return [orjson.loads(event) for event in events]


def check(events: Sequence[Event], *, expired_at: float | None = None) -> Chronicle:
    """Raise :class:`Violation` (an AssertionError) unless ``events`` is a whole, correct history.

    Ids, timestamps, members and links; decision tasks and their coalescing; activities, timers, children and external
    calls; deadlines. ``expired_at``: everything due at that instant (epoch seconds) has been fired, so nothing may be
    overdue. Returns what is open at the end of the history.
    """
    chronicle = Chronicle()
    try:
        for event in events:
            chronicle.add(event)
        chronicle.end_of_unit()
        if expired_at is not None:
            chronicle.check_not_overdue(expired_at)
    except Violation as violation:
        violation.add_note(show(events))
        raise
    return chronicle


def show(events: Sequence[Event]) -> str:
    """A history for people: one line per event."""
    return "\n".join(_line(event) for event in events)


def _line(event: Event) -> str:
    block = {name: value for name, value in attributes(event).items() if value not in ("NONE", "0")}
    stamp = f"{event['eventTimestamp'] % 100_000:.3f}"
    return f"{event['eventId']:5d} {stamp:>9} {event['eventType']} {orjson.dumps(block).decode()}"
