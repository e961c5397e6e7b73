"""What the log hears of lanes: one line when one gets into trouble, one when it is out of it, none per poll (5.15).

Trouble often comes to all lanes at once. So the log names the first few that are in it, says once that there are many,
and says once when all are out of it again; ``/debug/polling`` shows each at any time.
"""

from __future__ import annotations

import structlog

from elbflow.polling.lane import LaneState
from elbflow.polling.outcome import ENDPOINT_FAULTS, UNTROUBLED, Outcome

TROUBLE_AFTER = 3
NAMED_AT_MOST = 5
_AT_ONCE = frozenset({Outcome.UNKNOWN_RESOURCE, Outcome.DENIED, Outcome.LIST_LIMIT, Outcome.INVALID})
_DENIED_ADVICE = (
    "the credentials may not poll: allow them swf:PollFor*, or, where SWF is open to system accounts only, use those "
    "of an administrator or of the load-balancing role"
)

_log = structlog.get_logger(__name__)


class Troubles:
    """Notices when lanes get into trouble and out of it. ``lane.trouble`` is what a lane is in, if anything."""

    def __init__(self) -> None:
        self._lanes: set[int] = set()
        self._named: set[int] = set()
        self._many = False

    def ended(self, lane: LaneState, outcome: Outcome, *, endpoint_is_down: bool) -> None:
        """A poll of ``lane`` ended, and its pace is set. Faults of an endpoint that is down are nobody's own."""
        if outcome in UNTROUBLED:
            self._over(lane)
            return
        lasting = max(lane.pace.early, lane.pace.failures) >= TROUBLE_AFTER or outcome in _AT_ONCE
        silent = outcome is Outcome.ABORTED or (outcome in ENDPOINT_FAULTS and endpoint_is_down)
        if lasting and not silent and (lane.trouble is None or (outcome in _AT_ONCE and lane.trouble is not outcome)):
            lane.trouble = outcome
            self._lanes.add(lane.serial)
            self._tell(lane, outcome)

    def forget(self, lane: LaneState) -> None:
        """``lane`` is gone."""
        self._lanes.discard(lane.serial)
        self._named.discard(lane.serial)
        self._check_many()

    def _tell(self, lane: LaneState, outcome: Outcome) -> None:
        if lane.serial in self._named or (len(self._named) < NAMED_AT_MOST and not self._many):
            self._named.add(lane.serial)
            advice = {"advice": _DENIED_ADVICE} if outcome is Outcome.DENIED else {}
            _log.warning("poll_lane_in_trouble", **_names(lane), outcome=outcome.value, **advice)
        elif not self._many:
            self._many = True
            _log.warning("many_poll_lanes_in_trouble", outcome=outcome.value, look_at="/debug/polling")

    def _over(self, lane: LaneState) -> None:
        if lane.trouble is None:
            return
        after, lane.trouble = lane.trouble, None
        if lane.serial in self._named:
            _log.info("poll_lane_recovered", **_names(lane), after=after.value)
        self.forget(lane)

    def _check_many(self) -> None:
        if self._many and not self._lanes:
            self._many = False
            _log.info("all_poll_lanes_recovered")


def _names(lane: LaneState) -> dict[str, str]:
    return {"task_list": lane.task_list.name, "domain": lane.task_list.domain, "kind": lane.kind.value}
