"""Whose turn it is when there are more lanes than connections (spec/swf-long-poll-scale 5.11). Pure.

Most connections go to lanes in the order in which they were left without a poll: that alone bounds how long a lane
waits. A tenth goes by *claim* = weight × time unpolled × (0.2 + hit rate), so that lanes which matter or which get
tasks wait less. A lane that was passed over by a claim is next: nobody is skipped twice in a row.

A turn ends with an empty answer, or with a task after which no more are expected. While tasks come at once, or the
endpoint says that more wait, the lane keeps its connection for up to a second: the turn is hardly longer, and serves
all tasks that waited for it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

EXPLORE = 0.2
FOUND = 1e9
KEEPS = 1e10
KEEP_WITHIN_S = 1.0
_STEPS_PER_DOUBLING = 2
_CLAIMS_FROM = 4


class Reason(enum.Enum):
    """Why a poll went out."""

    ORDER = enum.auto()
    CLAIM = enum.auto()
    FOUND = enum.auto()


@dataclass(frozen=True, slots=True)
class Front:
    """The lane of one class that has been unpolled longest.

    ``claim`` is how fast its claim grows per second; ``keeps`` is set while its turn goes on.
    """

    since: float
    ticket: int
    claim: float
    keeps: Reason | None = None

    @property
    def place(self) -> tuple[float, int]:
        """Orders lanes by the time at which they were left without a poll."""
        return self.since, self.ticket


def claim(weight: float, hit_rate: float, *, has_work: bool = False, keeps_turn: bool = False) -> float:
    """Claim per second unpolled, rounded to half doublings: ten thousand lanes then fall into a few classes.

    Within a class the claims keep their order as time passes, so each class is an ordinary queue.
    """
    if keeps_turn or has_work:
        return KEEPS if keeps_turn else FOUND
    steps = round(math.log2(weight * (EXPLORE + hit_rate)) * _STEPS_PER_DOUBLING)
    return math.exp2(steps / _STEPS_PER_DOUBLING)


def by_claim(slots: int) -> int:
    """How many of ``slots`` connections go by claim: a tenth, none of very few."""
    return max(1, slots // 10) if slots >= _CLAIMS_FROM else 0


def kept_for_found(slots: int) -> int:
    """How many of these are kept free for lanes found to have work, where lanes are asked for it: half of them."""
    return (by_claim(slots) + 1) // 2


class Rotation:
    """Chooses among the fronts of all classes, and remembers why each poll went out.

    Up to ``claims`` polls in flight may have gone by claim. ``kept`` connections wait for lanes known to have work and
    are used for nothing else: such a poll ends at once, so the next lane that is found never waits for a hold. There is
    nothing to choose while ``only_in_order``, because connections suffice for all lanes.
    """

    def __init__(self) -> None:
        self.only_in_order = True
        self.claims = 0
        self.kept = 0
        self._reasons: dict[int, Reason] = {}
        self._reason = Reason.ORDER
        self._passed_over = False
        self._in_flight = dict.fromkeys(Reason, 0)

    def choose(self, fronts: Sequence[Front], now: float, spare: int) -> Front | None:
        """Who gets one of the ``spare`` connections that are free at ``now``; None to leave them free.

        Call :meth:`issued` when the poll went out.
        """
        kept = max(0, self.kept - self._in_flight[Reason.FOUND])
        found = [front for front in fronts if front.claim == FOUND] if kept else []
        if found:
            self._reason = Reason.FOUND
            return min(found, key=_place)
        if spare <= kept:
            return None
        keeper = next((front for front in fronts if front.keeps is not None), None)
        if keeper is not None:
            self._reason = keeper.keeps or Reason.ORDER
            return keeper
        first = min(fronts, key=_place)
        best = max(fronts, key=lambda front: (front.claim * (now - front.since), front.claim, -front.ticket))
        self._passed_over = best is not first and not self._passed_over and self._in_flight[Reason.CLAIM] < self.claims
        self._reason = Reason.CLAIM if self._passed_over else Reason.ORDER
        return best if self._passed_over else first

    def issued(self, poll: int) -> Reason:
        """The lane chosen last got the poll with this number; returns why."""
        reason = Reason.ORDER if self.only_in_order else self._reason
        self._reasons[poll] = reason
        self._in_flight[reason] += 1
        return reason

    def ended(self, poll: int) -> None:
        """Polls that were never chosen may end, too."""
        reason = self._reasons.pop(poll, None)
        if reason is not None:
            self._in_flight[reason] -= 1


def _place(front: Front) -> tuple[float, int]:
    return front.place
