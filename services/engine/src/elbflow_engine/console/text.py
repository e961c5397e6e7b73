"""How values look to a reader: times, durations, sizes, and characters that would deceive."""

from __future__ import annotations

import datetime
import re

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Controls, and marks that hide or turn the text around them; line feed and tab may stay."""


def visible(text: str) -> str:
    """``text`` with the characters one cannot see, or that reorder others, written as escapes."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def duration(ms: float) -> str:
    """A duration in milliseconds for a reader: two units at most."""
    for unit, name, part, part_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", _SECOND, "s"),
    ):
        if ms >= unit:
            whole, rest = divmod(round(ms), unit)
            return f"{whole} {name} {rest // part} {part_name}" if rest // part else f"{whole} {name}"
    if ms >= _SECOND:
        return f"{ms / _SECOND:.3f}".rstrip("0").rstrip(".") + " s"
    return f"{ms:.0f} ms" if ms >= 10 or ms == int(ms) else f"{ms:.1f} ms"


def age(seconds: float) -> str:
    """For how long something has waited; precise enough for a table that changes."""
    return duration(round(seconds, 1 if seconds < 10 else 0) * _SECOND)


def instant(ms: int) -> str:
    """An instant in UTC, to the millisecond."""
    try:
        when = datetime.datetime.fromtimestamp(ms / _SECOND, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
    return when.strftime("%Y-%m-%d %H:%M:%S.") + f"{ms % _SECOND:03d}"


def size(characters: int) -> str:
    """How long a payload is."""
    return f"{characters} characters" if characters < 10_000 else f"{characters / 1000:.0f} thousand characters"


def shortened(text: str, most: int) -> str:
    """At most ``most`` characters, the last an ellipsis when something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def coarse(duration_text: str) -> str:
    """The first unit of a duration."""
    return " ".join(duration_text.split()[:2])
