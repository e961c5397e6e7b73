"""From instants to places on the time axis.

Time runs evenly, except that a long idle stretch is folded to a narrow strip: a workflow that worked for a second,
slept for a day and worked again shows both seconds.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_FOLDS = 12
SHORTEST_FOLD_MS = 2_000
FOLD_WIDTH = 46.0
_FOLD_SHARE = 0.2
"""A stretch longer than this share of what is left unfolded hides the rest: fold it."""
_MOST_FOLDED_WIDTH = 0.5

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(_SECOND * count for count in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 30, 90, 180, 365)),
)


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch of time drawn as a strip: its instants and where the strip begins and ends."""

    from_ms: int
    to_ms: int
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis. ``distance_ms`` counts from the start, or ``anew`` from the fold before it."""

    place: float
    distance_ms: int
    anew: bool


class Scale:
    """Places of instants between ``left`` and ``right``. Instants outside ``low_ms``..``high_ms`` go to the edges.

    ``idle``: stretches in which nothing runs and nothing happens, ascending; the longest of them are folded.
    """

    def __init__(self, idle: Sequence[tuple[int, int]], low_ms: int, high_ms: int, left: float, right: float) -> None:
        self.low_ms, self.high_ms = low_ms, max(high_ms, low_ms + 1)
        self._left, self._right = left, right
        inside = [(max(begin, low_ms), min(end, self.high_ms)) for begin, end in idle]
        stretches = _folded([(begin, end) for begin, end in inside if begin < end], self.high_ms - low_ms)
        width = min(FOLD_WIDTH, (right - left) * _MOST_FOLDED_WIDTH / max(1, len(stretches)))
        linear_ms = self.high_ms - low_ms - sum(end - begin for begin, end in stretches)
        self.per_ms = (right - left - width * len(stretches)) / max(1, linear_ms)
        self._knots_ms: list[int] = [low_ms]
        self._knots_x: list[float] = [left]
        folds: list[Fold] = []
        for begin, end in stretches:
            self._knot(begin, (begin - self._knots_ms[-1]) * self.per_ms)
            folds.append(Fold(begin, end, self._knots_x[-1], self._knots_x[-1] + width))
            self._knot(end, width)
        self._knot(self.high_ms, (self.high_ms - self._knots_ms[-1]) * self.per_ms)
        self.folds: Sequence[Fold] = tuple(folds)

    def _knot(self, ms: int, width: float) -> None:
        self._knots_ms.append(ms)
        self._knots_x.append(self._knots_x[-1] + width)

    def x(self, ms: int) -> float:
        """Where an instant lies."""
        if ms <= self.low_ms:
            return self._left
        if ms >= self.high_ms:
            return self._right
        after = bisect.bisect_right(self._knots_ms, ms)
        begin, end = self._knots_ms[after - 1], self._knots_ms[after]
        part = (ms - begin) / (end - begin)
        return self._knots_x[after - 1] + part * (self._knots_x[after] - self._knots_x[after - 1])

    def ticks(self, origin_ms: int, apart: float) -> Iterator[Tick]:
        """Round distances, at least ``apart`` from each other and from folds: from ``origin_ms`` up to the first fold,
        afterwards from the end of the fold before.
        """
        step = next((step for step in _STEPS if step * self.per_ms >= apart), _STEPS[-1])
        edges = [self.low_ms, *itertools.chain(*((fold.from_ms, fold.to_ms) for fold in self.folds)), self.high_ms]
        last = -apart
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            base = origin_ms if begin == self.low_ms else begin
            number = -(-(begin - base) // step)
            while base + number * step <= end:
                place = self.x(base + number * step)
                if place - last >= apart and self._clear(place, apart):
                    last = place
                    yield Tick(place, number * step, base != origin_ms)
                number += 1

    def _clear(self, place: float, apart: float) -> bool:
        return all(place < fold.left - apart / 2 or place > fold.right + apart / 2 for fold in self.folds)


def _folded(idle: Sequence[tuple[int, int]], left_ms: int) -> list[tuple[int, int]]:
    """The stretches to fold, in order: the longest ones, until none hides what is left."""
    chosen: list[tuple[int, int]] = []
    for begin, end in sorted(idle, key=lambda stretch: stretch[0] - stretch[1])[:MOST_FOLDS]:
        length = end - begin
        if length < SHORTEST_FOLD_MS or length <= _FOLD_SHARE * left_ms or length == left_ms:
            break
        chosen.append((begin, end))
        left_ms -= length
    return sorted(chosen)
