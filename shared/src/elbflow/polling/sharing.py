"""More lanes than connections: who may poll, for how long, and what that promises (spec/swf-long-poll-scale 5.11)."""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter

import structlog

from elbflow import errors, swf
from elbflow.polling import bound as bounds
from elbflow.polling import rotation
from elbflow.polling.allocation import UNPOLLED
from elbflow.polling.bound import Bound, Mode, Situation
from elbflow.polling.budget import Budget
from elbflow.polling.demand import HOT_WITHIN_S
from elbflow.polling.hold import LearnedHold
from elbflow.polling.inflight import Poll
from elbflow.polling.lane import LaneState
from elbflow.polling.probing import Prober, Tally
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.rotation import Reason

_log = structlog.get_logger(__name__)


class LatencyOutOfReach(errors.Permanent, ValueError):
    """Lanes would have to wait longer for their turn than one of them may; the message shows the arithmetic."""


class Sharing:
    """Keeps count of lanes by tenant, knows each tenant's :class:`Bound`, and chooses how turns are made short.

    Where the endpoint can be asked for a shorter hold it is; elsewhere ``prober``, if there is one, finds lanes that
    have work. ``turns`` decides whose turn it is.
    """

    def __init__(
        self,
        budget: Budget,
        hold: LearnedHold,
        turns: rotation.Rotation,
        prober: Prober | None,
        profile: EndpointProfile,
    ) -> None:
        self._budget = budget
        self._hold = hold
        self._turns = turns
        self._asks = profile.takes_hold_hints
        self._prober = prober
        self._open: dict[int, LaneState] = {}
        self._rotating: Counter[str] = Counter()
        self._critical: Counter[str] = Counter()
        self._kept_for: set[int] = set()
        self._unpolled: set[int] = set()
        self._strictest: dict[str, list[tuple[float, int]]] = {}
        self._out_of_reach: set[str] = set()
        self._bounds: dict[str, Bound] = {}
        self._seen: tuple[float, bool] | None = None

    def admit(self, lane: LaneState) -> None:
        """Raises :class:`LatencyOutOfReach` if ``lane`` may not be added; nothing is changed either way."""
        self._budget.join(lane.tenant, lane.most_parked)
        self._count(lane, 1)
        try:
            self._refuse(lane)
        finally:
            self._count(lane, -1)
            self._budget.leave(lane.tenant, lane.most_parked)

    def added(self, lane: LaneState) -> None:
        """``lane`` was added, and the budget knows of it."""
        self._open[lane.serial] = lane
        self._count(lane, 1)
        self._left_without_poll(lane)
        if not lane.latency_critical and lane.max_dispatch_latency_s is not None:
            limits = self._strictest.setdefault(lane.tenant, [])
            heapq.heappush(limits, (lane.max_dispatch_latency_s, lane.serial))
        self._seen = None

    def removed(self, lane: LaneState) -> None:
        """``lane`` was closed."""
        if self._open.pop(lane.serial, None) is not None:
            self._count(lane, -1)
            self.needs_none(lane)
            self._seen = None

    def needs_none(self, lane: LaneState) -> None:
        """No connection is kept for ``lane``: it has a poll, or will have none any more."""
        self._kept_for.discard(lane.serial)
        self._unpolled.discard(lane.serial)

    def tenants_changed(self) -> None:
        """What the tenants may use is another now."""
        self._seen = None

    def waits(self, lane: LaneState) -> None:
        """``lane`` waits for a connection."""
        if self._prober is not None and lane.parked == 0:
            self._prober.sweep.add(lane)

    def issued(self, poll: Poll) -> None:
        """``poll`` goes out."""
        lane = poll.lane
        self.needs_none(lane)
        if lane.place[0] == UNPOLLED:
            poll.turn = self._turns.issued(poll.serial)
            if lane.keeps_turn is None:
                poll.opens_turn = True
                lane.turn_ends = poll.begun + rotation.KEEP_WITHIN_S
        lane.keeps_turn = None
        lane.has_work = max(0, lane.has_work - 1)

    def ended(self, poll: Poll) -> None:
        """``poll`` ended."""
        lane = poll.lane
        self._turns.ended(poll.serial)
        if lane.parked == 0 and lane.serial in self._open and lane.failure is None:
            self._left_without_poll(lane)

    def heard(self, poll: Poll, came_at: float, *, task: bool) -> None:
        """The endpoint answered ``poll``: this tells what it can do, and perhaps that more tasks wait."""
        lane, backlog = poll.lane, poll.hints.backlog
        self._asks = swf.HOLD_HINT in poll.hints.capabilities
        if backlog is not None:
            lane.has_work = backlog
        elif not task:
            lane.has_work = 0
        at_once = came_at - poll.begun < HOT_WITHIN_S
        if poll.opens_turn and not at_once:
            lane.turn_ends = came_at + rotation.KEEP_WITHIN_S
        more = at_once if backlog is None else backlog > 0
        goes_on = task and more and lane.free_slots > 1 and came_at < lane.turn_ends
        lane.keeps_turn = poll.turn if goes_on and poll.turn is not Reason.FOUND else None

    @property
    def spare(self) -> int:
        """Free connections, without those kept for latency-critical lanes that have no poll at the moment."""
        return self._budget.limit - self._budget.used - len(self._kept_for)

    @property
    def spare_for_more(self) -> int:
        """As :attr:`spare`, for lanes that have a poll: the others find one whenever they have a slot again."""
        return self.spare - len(self._unpolled)

    def hold_s(self, lane: LaneState) -> float | None:
        """How long the next poll of ``lane`` should be held; None for as long as the endpoint likes."""
        bound = self._bounds.get(lane.tenant)
        shortened = bound is not None and bound.mode is Mode.HOLD_HINT and not lane.latency_critical
        return bound.hold_s if bound is not None and shortened else None

    def probe(self, now: float) -> float | None:
        """Ask waiting lanes for pending tasks if that helps; returns when to call again."""
        return self._prober.step(now) if self._prober is not None and self._probes else None

    @property
    def tally(self) -> Tally:
        """How often lanes were asked for pending tasks."""
        return Tally() if self._prober is None else self._prober.tally

    @property
    def worst(self) -> Bound:
        """The bound of the tenant that is worst off."""
        self.refresh()
        return max(self._bounds.values(), key=_worst_s, default=self._bound_of(None))

    def bound_s(self, lane: LaneState) -> float:
        """How long a task of ``lane`` may wait for its turn."""
        bound = self._bounds.get(lane.tenant)
        return 0.0 if bound is None or lane.latency_critical else bound.worst_s

    def refresh(self) -> None:
        """Reckon anew if anything changed: lanes, the learned hold, or what the endpoint can do."""
        seen = (self._hold.hold_s, self._asks)
        if seen == self._seen:
            return
        self._seen = seen
        present = {*self._rotating, *self._critical}
        self._bounds = {tenant: self._bound_of(tenant) for tenant in present}
        connections = self._budget.limit - self._critical.total()
        self._turns.kept = rotation.kept_for_found(connections) if self._probes else 0
        scarce = any(bound.mode is not Mode.ENOUGH for bound in self._bounds.values())
        self._turns.only_in_order = not scarce
        self._turns.claims = rotation.by_claim(connections) - self._turns.kept
        for tenant, bound in self._bounds.items():
            self._watch(tenant, bound)

    @property
    def _probes(self) -> bool:
        return any(bound.mode is Mode.PROBING for bound in self._bounds.values())

    def _bound_of(self, tenant: str | None) -> Bound:
        """The worse of two: all lanes on what is not kept for others, and the tenant's lanes within its own cap."""
        uses = self._budget.tenants()
        others = [use for use in uses if tenant is not None and use.tenant != tenant]
        kept = sum(max(use.guaranteed, self._critical[use.tenant]) for use in others)
        critical = self._critical.total() - sum(self._critical[use.tenant] for use in others)
        served = sum(
            min(self._rotating[use.tenant], max(0, use.guaranteed - self._critical[use.tenant])) for use in others
        )
        together = self._situation(self._rotating.total() - served, self._budget.limit - kept - critical)
        bound = bounds.of(together)
        for use in uses:
            if use.tenant == tenant:
                lists = self._rotating[tenant]
                alone = self._situation(lists, use.cap - self._critical[tenant])
                if use.cap < self._budget.limit:
                    alone = dataclasses.replace(alone, capped=True, beside=self._rotating.total() - lists)
                bound = max(bound, bounds.of(alone), key=_worst_s)
        return bound

    def _situation(self, lists: int, connections: int) -> Situation:
        return Situation(
            lists, connections, self._hold.hold_s, self._asks, 0.0 if self._prober is None else self._prober.rate
        )

    def _refuse(self, lane: LaneState) -> None:
        for tenant in {*self._rotating, *self._critical}:
            bound = self._bound_of(tenant)
            limit_s = bounds.NEVER if tenant in self._out_of_reach else self._limit_of(tenant)
            if tenant == lane.tenant and not lane.latency_critical and lane.max_dispatch_latency_s is not None:
                limit_s = min(limit_s, lane.max_dispatch_latency_s)
            if bound.mode is Mode.NONE or bound.worst_s > limit_s:
                raise LatencyOutOfReach(f"cannot poll {lane.task_list.name}: {_explained(bound, limit_s)}")

    def _limit_of(self, tenant: str) -> float:
        limits = self._strictest.get(tenant, [])
        while limits and limits[0][1] not in self._open:
            heapq.heappop(limits)
        return limits[0][0] if limits else bounds.NEVER

    def _watch(self, tenant: str, bound: Bound) -> None:
        """One line when a promise can no longer be kept, one when it can again."""
        limit_s = self._limit_of(tenant)
        if bound.worst_s <= limit_s:
            if tenant in self._out_of_reach:
                self._out_of_reach.discard(tenant)
                _log.info("dispatch_latency_in_reach_again", tenant=tenant, worst_s=bound.worst_s)
        elif tenant not in self._out_of_reach:
            self._out_of_reach.add(tenant)
            _log.error("dispatch_latency_out_of_reach", tenant=tenant, explanation=_explained(bound, limit_s))

    def _left_without_poll(self, lane: LaneState) -> None:
        (self._kept_for if lane.latency_critical else self._unpolled).add(lane.serial)

    def _count(self, lane: LaneState, by: int) -> None:
        counts = self._critical if lane.latency_critical else self._rotating
        counts[lane.tenant] += by
        if not counts[lane.tenant]:
            del counts[lane.tenant]


def _explained(bound: Bound, limit_s: float) -> str:
    needed = bounds.connections_for(bound.situation, limit_s) - bound.situation.connections
    change = f"raise the poll budget (or the tenant's share of it) by {needed}"
    if bound.mode is Mode.NONE:
        return f"{bound.arithmetic}; {change}, or have fewer latency_critical lanes"
    return (
        f"{bound.arithmetic}, but max_dispatch_latency_s is {limit_s:g}; {change}, "
        f"or max_dispatch_latency_s to {bound.worst_s:.0f}, or make the lane latency_critical"
    )


def _worst_s(bound: Bound) -> float:
    return bound.worst_s
