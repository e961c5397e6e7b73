"""What one poll's outcome teaches about its lane and about the endpoint (spec/swf-long-poll-scale 5.4, 5.6)."""

from __future__ import annotations

import random

import structlog

from elbflow import swf
from elbflow.polling.endpoint import Breaker, EarlyWave
from elbflow.polling.hold import LearnedHold
from elbflow.polling.lane import LaneState
from elbflow.polling.outcome import ANSWERED, ENDPOINT_FAULTS, Outcome
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.rate import RateGovernor

TROUBLE_AFTER = 3
_UNTROUBLED = frozenset({Outcome.TASK, Outcome.FULL_EMPTY})
_TROUBLE_AT_ONCE = frozenset({Outcome.UNKNOWN_RESOURCE, Outcome.DENIED, Outcome.LIST_LIMIT, Outcome.INVALID})
_DENIED_ADVICE = (
    "the credentials may not poll: allow them swf:PollFor*, or, where SWF is open to system accounts only, use those "
    "of an administrator or of the load-balancing role"
)

_log = structlog.get_logger(__name__)


class Feedback:
    """Shared state of the endpoint, and the rules that set a lane's pace. Time and randomness are arguments."""

    def __init__(self, profile: EndpointProfile, rng: random.Random) -> None:
        self._rng = rng
        self._spread_max_s = profile.start_spread_s
        self.hold = LearnedHold(profile.hold_s)
        self.breaker = Breaker()
        self.governors = {kind: RateGovernor(profile.issue_rate) for kind in swf.TaskKind}
        self._wave = EarlyWave()

    def added(self, lane: LaneState, lanes: int, now: float) -> None:
        """A new lane's first poll: many lanes added together start spread over up to two seconds."""
        lane.pace.postpone(now + self._rng.uniform(0.0, min(self._spread_max_s, lanes / 100)))

    def removed(self, lane: LaneState) -> None:
        self._wave.forget(lane.serial)

    def ended(self, lane: LaneState, outcome: Outcome, duration_s: float, lanes: int, now: float) -> bool:
        """Set the pace of ``lane``, one of ``lanes``; True when this shows that the endpoint answers again."""
        lane.last_outcome = outcome
        recovered = outcome in ANSWERED and self.breaker.answered()
        if outcome in _UNTROUBLED:
            self._good(lane, outcome, duration_s, now)
        elif outcome is Outcome.EARLY_EMPTY:
            self._early(lane, lanes, now)
        elif outcome is not Outcome.ABORTED:
            self._fault(lane, outcome, lanes, now)
        self._tell(lane, outcome)
        return recovered

    def endpoint_back(self, lanes: list[LaneState], now: float) -> None:
        """The endpoint answers again: lanes that backed off because of it come back, spread over up to 5 s."""
        spread_s = min(5.0, len(lanes) / 100)
        for lane in lanes:
            if lane.last_outcome in ENDPOINT_FAULTS:
                lane.pace.hasten(now + self._rng.uniform(0.0, spread_s))
        _log.info("swf_endpoint_answers_again")

    def _good(self, lane: LaneState, outcome: Outcome, duration_s: float, now: float) -> None:
        if outcome is Outcome.FULL_EMPTY:
            self.hold.observe(duration_s)
        lane.pace.clear(now)
        lane.ceiling.good(now)

    def _early(self, lane: LaneState, lanes: int, now: float) -> None:
        lane.ceiling.early_empty(now)
        spread_s = self._wave.early_empty(lane.serial, lanes, now)
        delay = lane.pace.early_empty(now, self._rng, spread_s=spread_s)
        lane.metrics.wasted.inc()
        lane.metrics.paced(Outcome.EARLY_EMPTY, delay)

    def _fault(self, lane: LaneState, outcome: Outcome, lanes: int, now: float) -> None:
        if outcome is Outcome.THROTTLED:
            self.governors[lane.kind].throttled(now)
            lane.metrics.throttled.inc()
        elif outcome is Outcome.LIST_LIMIT:
            lane.ceiling.refused(lane.parked, now)
        elif outcome is Outcome.AMBIGUOUS:
            lane.metrics.ambiguous.inc()
        rounds = 0
        if outcome in ENDPOINT_FAULTS:
            if self.breaker.failed(lane.serial, lanes, now, self._rng):
                _log.warning("swf_endpoint_does_not_answer", outcome=outcome.value)
            rounds = self.breaker.rounds
        delay = lane.pace.failed(outcome, now, self._rng, endpoint_failures=rounds)
        lane.metrics.paced(outcome, delay)

    def _tell(self, lane: LaneState, outcome: Outcome) -> None:
        """One log line when a lane gets into trouble, one when it is out of it."""
        if outcome in _UNTROUBLED:
            if lane.trouble is not None:
                _log.info("poll_lane_recovered", **_names(lane), after=lane.trouble.value)
            lane.trouble = None
            return
        lasting = max(lane.pace.early, lane.pace.failures) >= TROUBLE_AFTER or outcome in _TROUBLE_AT_ONCE
        silent = outcome is Outcome.ABORTED or (outcome in ENDPOINT_FAULTS and self.breaker.is_open)
        if lasting and not silent and lane.trouble is not outcome:
            lane.trouble = outcome
            advice = {"advice": _DENIED_ADVICE} if outcome is Outcome.DENIED else {}
            _log.warning("poll_lane_in_trouble", **_names(lane), outcome=outcome.value, **advice)


def _names(lane: LaneState) -> dict[str, str]:
    return {"task_list": lane.task_list.name, "domain": lane.task_list.domain, "kind": lane.kind.value}
