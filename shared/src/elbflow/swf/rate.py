"""How many calls of one kind may be sent per second (spec/swf-long-poll-scale 5.6, 5.7). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

MIN_RATE = 0.5
RAISE_AFTER_S = 10.0
RAISE_BY = 0.05
HALVE_AT_MOST_EVERY_S = 1.0


@dataclass(slots=True)
class RateGovernor:
    """Token bucket for one kind of call, with a rate that follows what the account's quota leaves to this process.

    ``configured`` is this process's share of the account's quota in calls per second, ``burst`` what it may save up
    (default: one second's worth). Throttling halves both and empties the bucket, for the account's is empty too;
    several calls throttled together count once. Each clean ten seconds give back 5 % of what is configured.
    """

    configured: float
    burst: float | None = None
    rate: float = field(init=False)
    _tokens: float = field(init=False)
    _filled_at: float = 0.0
    _changed_at: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        self.rate = self.configured
        self._tokens = self._capacity

    def ready_at(self, now: float, ahead: int = 0) -> float:
        """Instant of the next token that ``ahead`` others leave; not later than ``now`` when there is one."""
        self._fill(now)
        lacking = 1.0 + ahead - self._tokens
        return now if lacking <= 0.0 else now + lacking / self.rate

    def take(self, now: float) -> None:
        """Use the token that :meth:`ready_at` promised."""
        self._fill(now)
        self._tokens -= 1.0

    def slow_down(self, part: float, now: float) -> None:
        """Keep to this part of the configured rate for a while; clean time raises it again."""
        self._fill(now)
        if self.rate > part * self.configured:
            self.rate = part * self.configured
            self._changed_at = now

    def throttled(self, now: float) -> None:
        """The endpoint refused a call because of its rate."""
        self._fill(now)
        if now - self._changed_at >= HALVE_AT_MOST_EVERY_S:
            self.rate = max(min(MIN_RATE, self.configured), self.rate / 2)
            self._changed_at = now
        self._tokens = min(self._tokens, 0.0)

    @property
    def _capacity(self) -> float:
        burst = self.configured if self.burst is None else self.burst
        return max(1.0, burst * self.rate / self.configured)

    def _fill(self, now: float) -> None:
        self._recover(now)
        # The tiny surplus lets a token be whole at the instant that ready_at computed for it.
        gained = (now - self._filled_at) * self.rate + 1e-9
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at = now

    def _recover(self, now: float) -> None:
        if self.rate >= self.configured:
            return
        steps = int((now - self._changed_at) / RAISE_AFTER_S)
        if steps > 0:
            self.rate = min(self.configured, self.rate + steps * RAISE_BY * self.configured)
            self._changed_at += steps * RAISE_AFTER_S
