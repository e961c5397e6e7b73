"""Time inside the core: integer milliseconds since the epoch (spec/swf-semantics 3.1, 1.6)."""

from __future__ import annotations

NONE = "NONE"
YEAR_S = 31_536_000
DAY_MS = 86_400_000


def to_ms(seconds: float) -> int:
    """Epoch seconds as the nearest millisecond."""
    return int(seconds * 1000 + 0.5)


def to_seconds(ms: int) -> float:
    """Milliseconds as epoch seconds; prints with at most three fraction digits."""
    return ms / 1000


def duration_ms(text: str) -> int | None:
    """A duration of the protocol (decimal seconds) in milliseconds; ``NONE`` means no limit."""
    return None if text == NONE else int(text) * 1000


def after(start_ms: int, duration: int | None) -> int | None:
    """The instant ``duration`` milliseconds after ``start_ms``; None when there is no limit."""
    return None if duration is None else start_ms + duration


def retention_ms(days: str) -> int:
    """A retention period of the protocol (days, or ``NONE`` for none at all) in milliseconds."""
    return 0 if days == NONE else int(days) * DAY_MS


def earliest(one: int | None, other: int | None) -> int | None:
    """The earlier of two instants, where None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
