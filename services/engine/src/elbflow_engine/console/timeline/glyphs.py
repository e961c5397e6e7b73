"""Shapes, as path data. Every outcome that is not plain success has a shape of its own, not only a colour."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow_engine.console.timeline.model import Outcome
from elbflow_engine.console.timeline.svg import number

_TEETH = 8.0


def of_outcome(outcome: Outcome, x: float, y: float) -> str:
    """What stands at the end of a bar: a cross (failed), a triangle (timed out), a square (terminated), a ring
    (canceled), an arrow (open), nothing (completed).
    """
    match outcome:
        case Outcome.FAILED:
            return _cross(x + 5, y, 4.5)
        case Outcome.TIMED_OUT:
            return _polygon((x, y + 4.5), (x + 5.5, y - 5), (x + 11, y + 4.5))
        case Outcome.TERMINATED:
            return _polygon((x + 1, y - 4.5), (x + 10, y - 4.5), (x + 10, y + 4.5), (x + 1, y + 4.5))
        case Outcome.CANCELED:
            return _ring(x + 5, y, 4)
        case Outcome.OPEN:
            return _polygon((x, y - 5), (x + 7, y), (x, y + 5))
        case Outcome.COMPLETED:
            return ""


def of_mark(kind: str, x: float, y: float) -> str:
    """An arrow from above (signal), a ring with a bar (cancel request), a flag (marker), a cross (problem)."""
    if kind == "signal":
        return _polygon((x - 5, y - 6), (x + 5, y - 6), (x, y + 5))
    if kind == "cancel":
        return _ring(x, y, 5) + f"M{number(x - 3.5)} {number(y + 3.5)}L{number(x + 3.5)} {number(y - 3.5)}"
    if kind == "marker":
        return _polygon((x - 1, y + 6), (x - 1, y - 6), (x + 7, y - 3), (x + 0.5, y), (x + 0.5, y + 6))
    return _cross(x, y, 4.5)


def strip(left: float, right: float, top: float, bottom: float) -> str:
    """A strip with torn edges."""
    steps = max(1, int((bottom - top) / _TEETH))
    heights = [top + (bottom - top) * step / steps for step in range(steps + 1)]
    down = [(left + (2 if step % 2 else -2), y) for step, y in enumerate(heights)]
    up = [(right + (2 if step % 2 else -2), y) for step, y in reversed(list(enumerate(heights)))]
    return _polygon(*down, *up)


def area(places: Sequence[float], heights: Sequence[float], base: float) -> str:
    """What lies between ``base`` and the steps at ``heights``; runs of the same height are one step."""
    corners = [(places[0], base)] if places else []
    last = base
    for x, y in zip(places, heights, strict=True):
        if y != last:
            corners += [(x, last), (x, y)]
            last = y
    return _polygon(*corners, (places[-1] if places else 0, last), (places[-1] if places else 0, base))


def _polygon(*corners: tuple[float, float]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in corners) + "Z"


def _cross(x: float, y: float, size: float) -> str:
    first = f"M{number(x - size)} {number(y - size)}L{number(x + size)} {number(y + size)}"
    return first + f"M{number(x - size)} {number(y + size)}L{number(x + size)} {number(y - size)}"


def _ring(x: float, y: float, radius: float) -> str:
    arc = f"a{number(radius)} {number(radius)} 0 1 0 "
    return f"M{number(x - radius)} {number(y)}{arc}{number(2 * radius)} 0{arc}{number(-2 * radius)} 0Z"
