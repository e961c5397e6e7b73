"""How many polls each lane should have, and which lane gets the next (spec/swf-long-poll-scale 5.3, 5.5). Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow import swf
from elbflow.polling.lane import LaneState
from elbflow.polling.outcome import Outcome
from elbflow.polling.rotation import Front, Rotation, claim

HALVE_AT_MOST_EVERY_S = 1.0
COMPACT_FROM = 64

CRITICAL, UNPOLLED, BELOW_MINIMUM, GROWING = range(4)
"""Who comes first: what a lane is guaranteed, before what it would like to have."""

_Place: TypeAlias = tuple[int, float, int, LaneState]


HasRoom: TypeAlias = Callable[[str, int], bool]
"""Whether there is room for one more poll of this tenant; the tier says what for."""


class Allocator:
    """Decides how many polls each lane should have in flight."""

    def __init__(self) -> None:
        self._halved_at = dict.fromkeys(swf.TaskKind, float("-inf"))

    def target(self, lane: LaneState) -> int:
        """What the lane wants, within what the endpoint bears and what could start at once (I2).

        While credentials are refused again and again, one poll is enough to see when they are good (5.10).
        """
        refused = lane.last_outcome is Outcome.AUTH and lane.pace.failures > 1
        wanted = 1 if refused else lane.demand.wanted
        return min(wanted, lane.ceiling.value, lane.slots - lane.running)

    def learn(
        self,
        lane: LaneState,
        outcome: Outcome,
        duration_s: float,
        now: float,
        *,
        hints: swf.Hints | None = None,
        rate_left: bool = True,
    ) -> None:
        """Take note of how a poll of ``lane`` ended, before its task takes a slot.

        Without ``rate_left`` more polls would only wait for each other.
        """
        if outcome is Outcome.TASK:
            room = min(lane.ceiling.value, lane.slots - lane.running - 1) if rate_left else 0
            lane.demand.task(duration_s, now, room, hints)
        elif outcome is Outcome.FULL_EMPTY:
            lane.demand.full_empty()
        elif outcome is Outcome.EARLY_EMPTY:
            lane.demand.early_empty()

    def throttled(self, kind: swf.TaskKind, lanes: Iterable[LaneState], now: float) -> None:
        """The endpoint refused a poll for its rate, which all lanes of the kind share: halve them all.

        Polls that are refused together count once.
        """
        if now - self._halved_at[kind] >= HALVE_AT_MOST_EVERY_S:
            self._halved_at[kind] = now
            for lane in lanes:
                if lane.kind is kind:
                    lane.demand.throttled(now)


@dataclass(slots=True, eq=False)
class _Group:
    """Waiting lanes of one kind, tenant and claim: among them the order never changes while they wait."""

    kind: swf.TaskKind
    tenant: str
    claim: float
    places: list[_Place] = field(default_factory=list)
    compact_at: int = COMPACT_FROM

    def add(self, place: _Place) -> None:
        """Places that lanes gave up behind a first one that stays would add up for ever, so they are cleared away."""
        heapq.heappush(self.places, place)
        if len(self.places) > self.compact_at:
            self.places = [kept for kept in self.places if kept[2] == kept[3].ticket]
            heapq.heapify(self.places)
            self.compact_at = max(COMPACT_FROM, 2 * len(self.places))

    def first(self) -> _Place | None:
        places = self.places
        while places and places[0][2] != places[0][3].ticket:
            heapq.heappop(places)
        return places[0] if places else None


class WaitingLanes:
    """Lanes that could poll now, in the order in which they get connections.

    First lanes without any poll, in rotation; then lanes below their minimum; then lanes that want more, the one with
    the fewest extra polls for its weight foremost, so that spare connections are shared fairly and no hot lane starves
    another (deficit round robin). A lane has one valid place at a time: its ticket tells which.
    """

    def __init__(self) -> None:
        self._tickets = itertools.count(1)
        self._groups: dict[tuple[swf.TaskKind, str, float], _Group] = {}
        self.rotation = Rotation()

    def add(self, lane: LaneState) -> None:
        """Queue ``lane`` where it belongs now; it keeps its place if it already waits there."""
        place = place_of(lane)
        if lane.ticket and lane.place == place:
            return
        lane.ticket, lane.place = next(self._tickets), place
        self._group(lane).add((*place, lane.ticket, lane))

    def remove(self, lane: LaneState) -> None:
        """Give up the lane's place, if it has one."""
        lane.ticket = 0

    @property
    def places(self) -> int:
        """Places in memory, those included that lanes gave up."""
        return sum(len(group.places) for group in self._groups.values())

    def has(self, kind: swf.TaskKind) -> bool:
        """Whether any lane of ``kind`` waits."""
        return any(group.kind is kind and group.first() is not None for group in self._groups.values())

    def take(self, kinds: Collection[swf.TaskKind], has_room: HasRoom, now: float, spare: int = 1) -> LaneState | None:
        """The next lane of one of ``kinds`` whose poll fits, no longer queued; None when there is none.

        ``spare`` is the number of free connections that lanes without a poll may share.
        """
        fronts = [
            (place, group)
            for group in self._groups.values()
            if group.kind in kinds and (place := group.first()) is not None and has_room(group.tenant, place[0])
        ]
        if not fronts:
            return None
        group = min(fronts, key=_place)[1]
        if not self.rotation.only_in_order and group.places[0][0] == UNPOLLED:
            turns = {
                group: Front(*place[1:3], group.claim, place[3].keeps_turn)
                for place, group in fronts
                if place[0] == UNPOLLED
            }
            chosen = self.rotation.choose(tuple(turns.values()), now, spare)
            if chosen is None:
                return None
            group = next(group for group, front in turns.items() if front is chosen)
        lane = heapq.heappop(group.places)[3]
        lane.ticket = 0
        return lane

    def _group(self, lane: LaneState) -> _Group:
        takes_turns = lane.place[0] == UNPOLLED and not self.rotation.only_in_order
        key = (lane.kind, lane.tenant, _claim_of(lane) if takes_turns else 1.0)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(*key)
        return group


def _claim_of(lane: LaneState) -> float:
    has_work, keeps_turn = lane.has_work > 0, lane.keeps_turn is not None
    return claim(lane.weight, lane.demand.hit_rate, has_work=has_work, keeps_turn=keeps_turn)


def _place(front: tuple[_Place, _Group]) -> _Place:
    return front[0]


def place_of(lane: LaneState) -> tuple[int, float]:
    """Tier of the next poll of ``lane``, and what orders it among others of the tier."""
    if lane.parked == 0:
        return (CRITICAL if lane.latency_critical else UNPOLLED), lane.unpolled_since
    if lane.parked < lane.min_polls:
        return BELOW_MINIMUM, lane.parked / lane.weight
    return GROWING, (lane.parked - lane.min_polls + 1) / lane.weight
