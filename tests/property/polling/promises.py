"""The scheduler's promises (spec/swf-long-poll-scale 5.1), checked from outside, as the endpoint sees it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from elbflow import swf
from elbflow.polling import EndpointProfile, Lane
from elbflow.polling.pacing import SHORTEST_S
from elbflow.polling.testing import PollRecord, ScriptedPolls

EPSILON = 1e-6
SOUGHT = 5
UNNOTICED_S = 7.5
"""A stall so short may pass unnoticed; a poll that was issued before it is sent only after it."""


@dataclass
class Member:
    """One lane, and what the endpoint saw of it. A good answer ends all pacing, so it excuses the polls after it."""

    lane: Lane
    slots: int
    min_polls: int
    running: int = 0
    closed_at: float | None = None
    early_at: float = -math.inf
    good_at: float = -math.inf
    polled_at: float = 0.0


@dataclass
class HoldSeen:
    """What an independent observer would learn about the hold (5.4)."""

    expected_s: float
    seen: deque[float] = field(default_factory=lambda: deque(maxlen=20))

    def is_early(self, duration_s: float) -> bool:
        if len(self.seen) < SOUGHT:
            return duration_s < min(20.0, 0.5 * self.expected_s)
        ordered = sorted(self.seen)
        return duration_s < 0.8 * ordered[math.ceil(0.9 * len(ordered)) - 1]

    def ended(self, duration_s: float) -> None:
        if duration_s >= 20.0:
            self.seen.append(duration_s)


class Promises:
    """Notes violations: raising them at once would only look like one more failed poll to the scheduler."""

    def __init__(self, polls: ScriptedPolls, profile: EndpointProfile, budget: int) -> None:
        self.polls = polls
        self.profile = profile
        self.budget = budget
        self.reserve = max(2, budget // 10) if budget >= 8 else 0
        self.members: dict[swf.TaskList, Member] = {}
        self.violations: list[str] = []
        self.stopped_at: float | None = None
        self.stalls: list[tuple[float, float]] = []
        self._hold = HoldSeen(profile.hold_s)
        self._lately: dict[swf.TaskKind, deque[float]] = {kind: deque() for kind in swf.TaskKind}
        self._came: dict[str, float] = {}

    def require(self, holds: bool, message: str) -> None:
        if not holds:
            self.violations.append(f"at {self.polls.clock.monotonic():.3f} s: {message}")

    def poll_began(self, record: PollRecord) -> None:
        name, now = record.task_list.name, record.begun
        member = self.members[record.task_list]
        parked = self.polls.parked[record.task_list]
        self.require(self.polls.in_flight <= self.budget, "I1: more polls than the budget")
        grows = parked > member.min_polls
        within = self.polls.in_flight <= self.budget - self.reserve
        self.require(within or not grows, f"I1: {name} grew into what is kept for lanes without a poll")
        self.require(member.running + parked <= member.slots, f"I2: {name} polled for a task that could not start")
        self._rate_is_kept(record.task_list.kind, now)
        closed = member.closed_at is not None and self._awake_s(member.closed_at, now) > EPSILON
        self.require(not closed, f"{name} was polled after it was closed")
        # What was issued in the very turn of the loop in which the stop came is sent at that same instant.
        stopped = self.stopped_at is not None and self._awake_s(self.stopped_at, now) > EPSILON
        self.require(not stopped, "polled while draining")
        too_soon = now - member.early_at < SHORTEST_S - EPSILON and member.good_at < member.early_at
        # Right after a stall, polls go out that were issued before it: the answer was not yet known.
        issued_before = any(now == to for _, to in self.stalls)
        self.require(not too_soon or issued_before, f"I7: {name} was polled again at once after an early answer")
        member.polled_at = now

    def poll_ended(self, record: PollRecord) -> None:
        member = self.members[record.task_list]
        now = self.polls.clock.monotonic()
        if record.cancelled:
            self.require(self._may_be_given_up(record, member, now), f"I3: {record.task_list.name} lost a poll")
        elif record.reply.fault is None:
            self._answered(record, member, now)

    def handler_began(self, task: swf.ActivityTask | swf.DecisionTask) -> None:
        """I6, as far as it is the scheduler's: nothing stands between an answer and its handler."""
        now, came_at = self.polls.clock.monotonic(), self._came.pop(task.token)
        waited_s = self._awake_s(came_at, now)
        self.require(waited_s < EPSILON, f"I6: {task.token} waited {waited_s:.3f} s for its handler")

    def _awake_s(self, since: float, until: float) -> float:
        """Seconds in which the loop did not stand still."""
        return until - since - sum(max(0.0, min(until, to) - max(since, at)) for at, to in self.stalls)

    def _rate_is_kept(self, kind: swf.TaskKind, now: float) -> None:
        lately = self._lately[kind]
        lately.append(now)
        while lately[0] <= now - 1.0:
            lately.popleft()
        if any(now - to <= 1.0 for _, to in self.stalls):
            return  # What was issued before a stall is sent after it, together with what comes then.
        most = 2 * max(1.0, self.profile.issue_rate) + 1
        self.require(len(lately) <= most, f"I2: more than {most:.0f} {kind.value} polls in a second")

    def _may_be_given_up(self, record: PollRecord, member: Member, now: float) -> bool:
        overdue = now - record.begun >= self.profile.watchdog_s - UNNOTICED_S
        stopped_at = math.inf if self.stopped_at is None else self.stopped_at
        out_of_time = now - stopped_at >= self.profile.drain_timeout_s - EPSILON
        closing = member.closed_at is not None or self.stopped_at is not None
        return overdue or out_of_time or (self.profile.safe_abort and closing)

    def _answered(self, record: PollRecord, member: Member, now: float) -> None:
        duration_s = now - record.begun
        if record.reply.task:
            self._came[self.polls.delivered[-1]] = now
            member.good_at = now
            return
        heeded = record.asked_s is not None and "hold-hint" in self.polls.capabilities
        kept_its_word = heeded and duration_s >= 0.8 * (record.asked_s or 0.0)
        if self._hold.is_early(duration_s) and not kept_its_word:
            member.early_at = now
        else:
            member.good_at = now
        if not heeded and self._awake_s(record.begun, now) == duration_s:
            self._hold.ended(duration_s)
