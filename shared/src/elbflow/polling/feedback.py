"""What one poll's outcome teaches about its lane and about the endpoint (spec/swf-long-poll-scale 5.4, 5.6)."""

from __future__ import annotations

import random
from collections.abc import Collection

import structlog

from elbflow import swf
from elbflow.polling.endpoint import Breaker, EarlyWave
from elbflow.polling.hold import LearnedHold
from elbflow.polling.lane import LaneState
from elbflow.polling.outcome import ANSWERED, ENDPOINT_FAULTS, UNTROUBLED, Outcome
from elbflow.polling.pacing import EARLY_BASE_S, SHORTEST_S
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.trouble import Troubles

STALL_SPREAD_S = 5.0
WAVE_RATE = 0.5
"""Part of the issue rate while most lanes are answered early: their polls bring nothing but load."""

_log = structlog.get_logger(__name__)


class Feedback:
    """Shared state of the endpoint, and the rules that set a lane's pace. Time and randomness are arguments."""

    def __init__(self, profile: EndpointProfile, rng: random.Random) -> None:
        self._rng = rng
        self._spread_max_s = profile.start_spread_s
        self.hold = LearnedHold(profile.hold_s)
        self.breaker = Breaker()
        self.governors = {kind: swf.RateGovernor(profile.issue_rate) for kind in swf.TaskKind}
        self._wave = EarlyWave()
        self._troubles = Troubles()

    def added(self, lane: LaneState, lanes: int, now: float) -> None:
        """A new lane's first poll: many lanes added together start spread over up to two seconds."""
        lane.pace.postpone(now + self._rng.uniform(0.0, min(self._spread_max_s, lanes / 100)))

    def stalled(self, lane: LaneState, lanes: int, now: float) -> None:
        """The event loop stood still while this lane's poll was parked: all come back spread, not at once (5.8).

        How long the poll was parked nobody can say, so its empty answer may have been an early one (I7).
        """
        spread_s = min(STALL_SPREAD_S, max(EARLY_BASE_S, lanes / 100))
        lane.pace.postpone(now + self._rng.uniform(SHORTEST_S, spread_s))

    def removed(self, lane: LaneState) -> None:
        self._wave.forget(lane.serial)
        self._troubles.forget(lane)

    def ended(self, lane: LaneState, outcome: Outcome, duration_s: float, lanes: int, now: float) -> bool:
        """Set the pace of ``lane``, one of ``lanes``; True when this shows that the endpoint answers again."""
        lane.last_outcome = outcome
        recovered = outcome in ANSWERED and self.breaker.answered()
        if outcome in UNTROUBLED:
            self._good(lane, outcome, duration_s, now)
        elif outcome is Outcome.EARLY_EMPTY:
            self.hold.observe(duration_s)
            self._early(lane, lanes, now)
        elif outcome is not Outcome.ABORTED:
            self._fault(lane, outcome, duration_s, lanes, now)
        self._troubles.ended(lane, outcome, endpoint_is_down=self.breaker.is_open)
        return recovered

    def endpoint_back(self, lanes: Collection[LaneState], now: float) -> list[LaneState]:
        """The endpoint answers again: lanes that backed off because of it (returned) come back, within up to 5 s."""
        spread_s = min(5.0, len(lanes) / 100)
        back = [lane for lane in lanes if lane.last_outcome in ENDPOINT_FAULTS]
        for lane in back:
            lane.pace.hasten(now + self._rng.uniform(0.0, spread_s))
        _log.info("swf_endpoint_answers_again")
        return back

    def _good(self, lane: LaneState, outcome: Outcome, duration_s: float, now: float) -> None:
        if outcome is Outcome.FULL_EMPTY:
            self.hold.observe(duration_s)
        lane.pace.clear(now)
        lane.ceiling.good(now)

    def _early(self, lane: LaneState, lanes: int, now: float) -> None:
        lane.ceiling.early_empty(now)
        spread_s = self._wave.early_empty(lane.serial, lanes, now)
        if spread_s > 0.0:
            self.governors[lane.kind].slow_down(WAVE_RATE, now)
        delay = lane.pace.early_empty(now, self._rng, spread_s=spread_s)
        lane.metrics.wasted.inc()
        lane.metrics.paced(Outcome.EARLY_EMPTY, delay)

    def _fault(self, lane: LaneState, outcome: Outcome, duration_s: float, lanes: int, now: float) -> None:
        if outcome is Outcome.THROTTLED:
            self.governors[lane.kind].throttled(now)
        elif outcome is Outcome.LIST_LIMIT:
            lane.ceiling.refused(lane.parked, now)
        elif outcome is Outcome.AMBIGUOUS:
            lane.metrics.ambiguous.inc()
        rounds = 0
        if outcome in ENDPOINT_FAULTS:
            connecting_s = duration_s if outcome is Outcome.CONNECT else 0.0
            if self.breaker.failed(lane.serial, lanes, now, self._rng, connecting_s=connecting_s):
                _log.warning("swf_endpoint_does_not_answer", outcome=outcome.value)
            rounds = self.breaker.rounds
        delay = lane.pace.failed(outcome, now, self._rng, endpoint_failures=rounds)
        lane.metrics.paced(outcome, delay)
