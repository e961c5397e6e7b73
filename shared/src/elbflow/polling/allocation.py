"""Which lane polls next, and how many polls each should have (spec/swf-long-poll-scale 5.3). Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection
from typing import TypeAlias

from elbflow import swf
from elbflow.polling.lane import LaneState

_Place: TypeAlias = tuple[float, int, LaneState]


class Allocator:
    """Decides how many polls each lane should have in flight: one per free slot, up to the lane's ceiling."""

    def target(self, lane: LaneState) -> int:
        return min(lane.ceiling.value, lane.slots - lane.running)


class WaitingLanes:
    """Lanes that could poll now, in the order in which they get connections.

    Lanes without any poll come first, the longest unpolled foremost; then lanes that want another one, in turn. A
    lane has one valid place at a time: its ticket tells which.
    """

    def __init__(self) -> None:
        self._tickets = itertools.count(1)
        self._unpolled: dict[swf.TaskKind, list[_Place]] = {kind: [] for kind in swf.TaskKind}
        self._growing: dict[swf.TaskKind, dict[int, _Place]] = {kind: {} for kind in swf.TaskKind}

    def add(self, lane: LaneState) -> None:
        """Queue ``lane`` where it belongs now; it keeps its place if it already waits there."""
        growing = self._growing[lane.kind]
        if lane.parked > 0:
            if lane.serial not in growing:
                lane.ticket = next(self._tickets)
                growing[lane.serial] = (0.0, lane.ticket, lane)
        elif lane.ticket == 0 or growing.pop(lane.serial, None) is not None:
            lane.ticket = next(self._tickets)
            heapq.heappush(self._unpolled[lane.kind], (lane.unpolled_since, lane.ticket, lane))

    def remove(self, lane: LaneState) -> None:
        """Give up the lane's place, if it has one."""
        if lane.ticket:
            lane.ticket = 0
            self._growing[lane.kind].pop(lane.serial, None)

    def has(self, kind: swf.TaskKind) -> bool:
        """Whether any lane of ``kind`` waits."""
        return bool(self._growing[kind]) or bool(self._live_unpolled(kind))

    def take(self, kinds: Collection[swf.TaskKind], *, growth: bool) -> LaneState | None:
        """The next lane of one of ``kinds``, no longer queued; ``growth`` admits lanes that already have a poll."""
        heaps = [heap for kind in kinds if (heap := self._live_unpolled(kind))]
        if heaps:
            lane = heapq.heappop(min(heaps, key=_front))[2]
        else:
            places = [next(iter(queue.values())) for kind in kinds if growth and (queue := self._growing[kind])]
            if not places:
                return None
            lane = min(places, key=_ticket)[2]
            del self._growing[lane.kind][lane.serial]
        lane.ticket = 0
        return lane

    def _live_unpolled(self, kind: swf.TaskKind) -> list[_Place]:
        heap = self._unpolled[kind]
        while heap and heap[0][1] != heap[0][2].ticket:
            heapq.heappop(heap)
        return heap


def _front(heap: list[_Place]) -> tuple[float, int]:
    return heap[0][:2]


def _ticket(place: _Place) -> int:
    return place[1]
