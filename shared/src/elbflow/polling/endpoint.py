"""Health of the endpoint that all lanes share (spec/swf-long-poll-scale 5.4, 5.6). Pure."""

from __future__ import annotations

import random
from collections import OrderedDict
from dataclasses import dataclass, field

from elbflow.polling.outcome import Outcome
from elbflow.polling.pacing import backoff_s

BREAK_AFTER = 5
BREAK_LANES = 3
PROBE_S = 1.0
PROBE_MARGIN = 1.5
PROBE_MAX_S = 15.0
WAVE_WITHIN_S = 5.0
WAVE_SPREAD_S = 5.0
WAVE_AT_MOST_EVERY_S = 30.0
WAVE_LANES = 4


@dataclass(slots=True)
class Breaker:
    """Stops all lanes from hammering an endpoint that does not answer.

    It opens after five faults in a row from at least three lanes (or all there are): one broken list must not stop
    the others. While open, single probes go out; one that is answered, or that parks for a second and for longer than
    it took to find out that nobody could be connected to, closes it.
    """

    is_open: bool = False
    rounds: int = 0
    _faults: int = 0
    _lanes: set[int] = field(default_factory=set)
    _round_ends: float = float("-inf")
    _next_probe: float = 0.0
    _probing_since: float | None = None
    _probe_s: float = PROBE_S

    def may_issue(self, now: float) -> bool:
        return not self.is_open or now >= self._next_probe

    def issued(self, now: float, rng: random.Random) -> None:
        """A poll went out; while open it is the probe."""
        if self.is_open:
            self._probing_since = now
            self._next_probe = now + self._probe_s + backoff_s(Outcome.CONNECT, self.rounds, rng)

    def failed(self, lane: int, lanes: int, now: float, rng: random.Random, *, connecting_s: float = 0.0) -> bool:
        """An endpoint fault on ``lane``, one of ``lanes``, that connected in vain for ``connecting_s`` seconds; True
        when this opens the breaker.

        Polls that fail together count as one round, so the back-off grows with time and not with their number.
        """
        if now >= self._round_ends:
            self.rounds += 1
            self._round_ends = now + backoff_s(Outcome.CONNECT, self.rounds, rng)
        self._faults += 1
        self._probe_s = min(PROBE_MAX_S, max(self._probe_s, PROBE_MARGIN * connecting_s))
        self._lanes.add(lane)
        self._probing_since = None
        if self.is_open or self._faults < BREAK_AFTER or len(self._lanes) < min(BREAK_LANES, lanes):
            return False
        self.is_open = True
        self._next_probe = now + backoff_s(Outcome.CONNECT, self.rounds, rng)
        return True

    def answered(self) -> bool:
        """The endpoint answered something; True when this closes the breaker."""
        was_open = self.is_open
        self.is_open = False
        self.rounds = self._faults = 0
        self._lanes.clear()
        self._probing_since = None
        self._probe_s = PROBE_S
        return was_open

    def probe_survived(self, now: float) -> bool:
        """True (and closed) when the probe has been parked long enough to believe in it."""
        if not self.is_open or self._probing_since is None or now < self._probing_since + self._probe_s:
            return False
        return self.answered()

    def next_change(self) -> float | None:
        """Instant at which an open breaker may issue or close; None while closed."""
        if not self.is_open:
            return None
        if self._probing_since is None:
            return self._next_probe
        return min(self._next_probe, self._probing_since + self._probe_s)


@dataclass(slots=True)
class EarlyWave:
    """Notices that most lanes got an early empty answer at the same time: a failover or drain of the endpoint.

    An endpoint that goes on answering early is no further event: each lane's own pace deals with it.
    """

    _recent: OrderedDict[int, float] = field(default_factory=OrderedDict)
    _declared_at: float = float("-inf")
    _last_many_at: float = float("-inf")

    def early_empty(self, lane: int, lanes: int, now: float) -> float:
        """Seconds over which to spread this lane's next poll; 0 when it is not part of a wave."""
        self._recent[lane] = now
        self._recent.move_to_end(lane)
        while self._recent and next(iter(self._recent.values())) < now - WAVE_WITHIN_S:
            self._recent.popitem(last=False)
        if now - self._declared_at < WAVE_WITHIN_S:
            return WAVE_SPREAD_S
        if len(self._recent) < max(WAVE_LANES, (lanes + 1) // 2):
            return 0.0
        quiet_s, self._last_many_at = now - self._last_many_at, now
        if quiet_s >= WAVE_AT_MOST_EVERY_S:
            self._declared_at = now
            return WAVE_SPREAD_S
        return 0.0

    def forget(self, lane: int) -> None:
        self._recent.pop(lane, None)
