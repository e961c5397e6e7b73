"""Where the bars of a lane lie: in as few rows as they need, or summed up when there are too many to tell apart."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from elbflow_engine.console.timeline.model import Span
from elbflow_engine.console.timeline.scale import Scale

Item = TypeVar("Item")

MOST_ROWS = 8
MOST_BARS = 400
SHORTEST_BAR = 3.0
GLYPH = 12.0
BIN = 3.0
"""Width of the columns in which bars are summed up."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A span in the picture: scheduled at ``left``, started at ``middle``, ended at ``right``, in row ``row``."""

    span: Span
    left: float
    middle: float
    right: float
    row: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """Bars summed up: waiting and running ones per column, and the bad ones that end close together."""

    waiting: Sequence[int]
    running: Sequence[int]
    bad: Sequence[tuple[float, Sequence[Span]]]

    @property
    def highest(self) -> int:
        """The most in one column; more than were open at once where columns are coarser than bars."""
        return max(map(sum, zip(self.waiting, self.running, strict=True)), default=0)


def seen(spans: Iterable[Span], scale: Scale, now_ms: int) -> list[Span]:
    """The spans that reach into the part of time that the scale shows."""
    return [
        span
        for span in spans
        if span.scheduled_ms <= scale.high_ms and (now_ms if span.ended_ms is None else span.ended_ms) >= scale.low_ms
    ]


def pack(spans: Sequence[Span], scale: Scale, now_ms: int) -> list[Bar] | None:
    """Bars in rows, none over another; None when they need more than :data:`MOST_ROWS` or are too many."""
    if len(spans) > MOST_BARS:
        return None
    bars: list[Bar] = []
    edges: list[float] = []
    for span in spans:
        left, middle, right = _places(span, scale, now_ms)
        outer = right + (GLYPH if span.outcome.is_bad else 1.0)
        row = next((row for row, edge in enumerate(edges) if edge <= left), len(edges))
        if row == MOST_ROWS:
            return None
        edges[row : row + 1] = [outer]
        bars.append(Bar(span, left, middle, right, row))
    return bars


def crowd(spans: Sequence[Span], scale: Scale, now_ms: int, left: float, right: float) -> Crowd:
    """How many wait and run at each place."""
    columns = int((right - left) / BIN) + 2
    waiting, running = [0] * (columns + 1), [0] * (columns + 1)
    bad: list[tuple[float, Span]] = []
    for span in spans:
        begin, middle, end = (int((place - left) / BIN) for place in _places(span, scale, now_ms))
        waiting[begin] += 1
        waiting[middle] -= 1
        running[middle] += 1
        running[max(end, middle + 1)] -= 1
        if span.outcome.is_bad and span.ended_ms is not None:
            bad.append((scale.x(span.ended_ms), span))
    bad.sort(key=lambda one: one[0])
    return Crowd(list(itertools.accumulate(waiting)), list(itertools.accumulate(running)), together(bad))


def peak(spans: Iterable[Span], now_ms: int) -> int:
    """How many were open at the same time at most."""
    steps: collections.Counter[int] = collections.Counter()
    for span in spans:
        steps[span.scheduled_ms] += 1
        steps[now_ms if span.ended_ms is None else span.ended_ms] -= 1
    return max(itertools.accumulate(steps[ms] for ms in sorted(steps)), default=0)


def together(placed: Iterable[tuple[float, Item]]) -> list[tuple[float, list[Item]]]:
    """What is closer than a glyph, as one group at the place of its first; ``placed`` from left to right."""
    groups: list[tuple[float, list[Item]]] = []
    for place, item in placed:
        if groups and place - groups[-1][0] < GLYPH:
            groups[-1][1].append(item)
        else:
            groups.append((place, [item]))
    return groups


def _places(span: Span, scale: Scale, now_ms: int) -> tuple[float, float, float]:
    end_ms = now_ms if span.ended_ms is None else span.ended_ms
    started_ms = end_ms if span.started_ms is None else span.started_ms
    left, middle, right = scale.x(span.scheduled_ms), scale.x(started_ms), scale.x(end_ms)
    return left, middle, max(right, left + SHORTEST_BAR, middle + (0 if span.started_ms is None else SHORTEST_BAR))
