"""The heart of the scheduler: one synchronous pass decides which polls to issue, and runs only when something changed.

Order for every poll (I2): executor slot, rate token, connection, poll. Nothing here ticks: a pass is caused by a poll
or handler that ended, by a lane that came or went, or by the one alarm for the earliest instant that matters.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Mapping

import structlog
from prometheus_client import Counter

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import outcome as outcomes
from elbflow.polling import verdict as verdicts
from elbflow.polling.alarm import Alarm
from elbflow.polling.allocation import CRITICAL, GROWING, UNPOLLED, Allocator, WaitingLanes
from elbflow.polling.budget import Budget
from elbflow.polling.drain import Waiters
from elbflow.polling.feedback import Feedback
from elbflow.polling.handling import Handlers
from elbflow.polling.inflight import Answer, InFlight, Poll
from elbflow.polling.lane import LaneState, Task
from elbflow.polling.metrics import Metrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.probing import Prober
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.pulse import Pulse
from elbflow.polling.sharing import Sharing
from elbflow.polling.timers import LaneTimers
from elbflow.polling.verdict import Verdict
from elbflow.tasks import Supervisor

MOST_PER_PASS = 32

_log = structlog.get_logger(__name__)


class Core:
    """Owns every poll of the process. All methods are synchronous and belong to one event loop."""

    def __init__(
        self,
        service: swf.Polls,
        profile: EndpointProfile,
        *,
        budget: Budget,
        identity: str,
        clock: clocks.Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._safe_abort = profile.safe_abort
        self._drain_timeout_s = profile.drain_timeout_s
        self._supervisor = Supervisor()
        self._alarm = Alarm(clock, self._supervisor, self.wake)
        self._serials = itertools.count(1)
        self._timers = LaneTimers()
        self._pulse = Pulse(self._stalled)
        self._pass_due = self._has_more = False
        self._is_halted = False
        self._ever_answered = False
        self._short_of_rate: frozenset[swf.TaskKind] = frozenset()
        self.budget = budget
        self.allocator = Allocator()
        self.feedback = Feedback(profile, rng)
        self.waiting = WaitingLanes()
        self.waiters = Waiters(clock)
        self.inflight = InFlight(profile.watchdog_s)
        self.handlers = Handlers(clock, self._settle)
        self.lanes: dict[int, LaneState] = {}
        self.is_running = False
        self.is_stopping = False
        self.sharing = Sharing(
            budget, self.feedback.hold, self.waiting.rotation, self._prober(profile, metrics.probes), profile
        )
        metrics.watch(self.budget, self.feedback)
        metrics.watch_sharing(lambda: self.sharing.worst.worst_s)

    def admit(self, lane: LaneState) -> None:
        """Raises :class:`LatencyOutOfReach` if ``lane`` may not be added."""
        self.sharing.admit(lane)

    def start(self) -> None:
        """Begin to poll."""
        self.is_running = not self.is_stopping
        self._pulse.start()
        self.wake()

    def stop(self) -> None:
        """Issue no more polls; what is parked ends by itself, or at once where that is safe."""
        self.is_running = False
        if not self.is_stopping:
            self.handlers.aborted_at = self._clock.monotonic() + self._drain_timeout_s
        self.is_stopping = True
        if self._safe_abort:
            _abort(self.inflight)

    def drain_left_s(self) -> float:
        """Seconds until what still runs is aborted; infinite before :meth:`stop`."""
        return max(0.0, self.handlers.aborted_at - self._clock.monotonic())

    def halt(self) -> None:
        """Everything has ended: no pass follows any more."""
        self._is_halted = True
        self._alarm.clear()
        self._pulse.stop()

    def add(self, lane: LaneState) -> None:
        """Begin to poll for ``lane``."""
        self.lanes[lane.serial] = lane
        self.budget.join(lane.tenant, lane.most_parked)
        self.sharing.added(lane)
        self.feedback.added(lane, len(self.lanes), self._clock.monotonic())
        self.reconsider(lane)

    def close(self, lane: LaneState) -> None:
        """Issue no more polls for ``lane``; it is forgotten when its last poll and handler have ended."""
        if not lane.is_open:
            return
        lane.is_open = False
        self.sharing.removed(lane)
        self.waiting.remove(lane)
        if self._safe_abort:
            _abort(self.inflight.of(lane))
        self._forget_if_done(lane)

    def next_serial(self) -> int:
        return next(self._serials)

    def is_quiet(self) -> bool:
        """No poll in flight and no handler running."""
        return len(self.inflight) == 0 and len(self.handlers) == 0

    def wake(self) -> None:
        """Have one pass at the end of this turn of the loop."""
        if not self._pass_due and not self._is_halted:
            self._pass_due = True
            asyncio.get_running_loop().call_soon(self._pass)

    def reconsider(self, lane: LaneState) -> None:
        """Queue ``lane`` if it could use another poll now, set a timer if it may only later, else neither."""
        if not lane.takes_polls or self.is_stopping or lane.parked >= self.allocator.target(lane):
            self.waiting.remove(lane)
            return
        due = lane.pace.due(leader=lane.parked == 0)
        if due > self._clock.monotonic():
            self.waiting.remove(lane)
            self._timers.set(lane, due)
        else:
            self.waiting.add(lane)
            self.sharing.waits(lane)
        self.wake()

    def has_room(self, tenant: str, tier: int) -> bool:
        """Whether a lane of ``tenant`` may have one more poll of this :mod:`tier <elbflow.polling.allocation>`."""
        spare = self.sharing.spare_for_more if tier > UNPOLLED else self.sharing.spare
        free = tier == CRITICAL or spare > 0
        return free and self.budget.has_room(tenant, growth=tier == GROWING)

    def endpoint_states(self) -> Mapping[str, bool]:
        """Where polls go, and which of it is believed to answer; empty when the service does not tell."""
        return self._service.endpoint_states() if isinstance(self._service, swf.Located) else {}

    def give_up_polls(self) -> None:
        """Last resort of a drain: cancel what is still parked, count it and say where (5.13)."""
        lost = sorted({poll.lane.task_list.name for poll in self.inflight})
        if lost:
            _log.error("polls_abandoned", polls=len(self.inflight), task_lists=lost)
        for poll in self.inflight:
            poll.cancel()

    def _stalled(self, gap_s: float) -> None:
        _log.warning("event_loop_stood_still", seconds=round(gap_s, 1), polls=len(self.inflight))
        self.inflight.stalled(self._clock.monotonic())

    def _pass(self) -> None:
        self._has_more = False
        try:
            if not self._is_halted:
                self._pulse.check()
                self._make_pass(self._clock.monotonic())
        finally:
            self._pass_due = False
        if self._has_more:
            self.wake()

    def _make_pass(self, now: float) -> None:
        """Give up what is dead, queue lanes whose time has come, issue polls, set the alarm for what comes next."""
        self.inflight.give_up_overdue(now)
        if self.feedback.breaker.probe_survived(now):
            self._endpoint_back(now)
        for lane in self._timers.due(now):
            self.reconsider(lane)
        self.sharing.refresh()
        next_token = self._issue_polls(now) if self.is_running else None
        next_probe = self.sharing.probe(now) if self.is_running else None
        instants = (
            next_token,
            next_probe,
            self._timers.next(),
            self.inflight.next_deadline(),
            self.feedback.breaker.next_change(),
        )
        ahead = [at for at in instants if at is not None and at > now]
        if ahead:
            self._alarm.set(min(ahead))

    def _issue_polls(self, now: float) -> float | None:
        """Issue polls that may go out now; returns when the next rate token comes, if that is what is missing.

        Sending is the dearest thing a poll does, so a turn of the loop begins a few; the next pass goes on.
        """
        tokens = {kind: governor.ready_at(now) for kind, governor in self.feedback.governors.items()}
        for _ in range(MOST_PER_PASS):
            if self.budget.is_full or not self.feedback.breaker.may_issue(now):
                return None
            ready = [kind for kind, at in tokens.items() if at <= now]
            lane = self.waiting.take(ready, self.has_room, now, self.sharing.spare)
            if lane is None:
                missing = {kind: at for kind, at in tokens.items() if at > now and self.waiting.has(kind)}
                self._short_of_rate = frozenset(missing)
                return min(missing.values(), default=None)
            if self._may_poll(lane, now):
                self._issue(lane, now)
                tokens[lane.kind] = self.feedback.governors[lane.kind].ready_at(now)
            else:
                self.reconsider(lane)
        self._has_more = True
        return None

    def _may_poll(self, lane: LaneState, now: float) -> bool:
        wanted = lane.takes_polls and lane.parked < self.allocator.target(lane)
        return wanted and lane.pace.due(leader=lane.parked == 0) <= now

    def _issue(self, lane: LaneState, now: float) -> None:
        assert lane.free_slots > 0, "poll issued without a free slot"
        self.feedback.governors[lane.kind].take(now)
        self.feedback.breaker.issued(now, self._rng)
        self.budget.take(lane.tenant)
        lane.parked += 1
        lane.polls += 1
        poll = Poll(self.next_serial(), lane, now, self.sharing.hold_s(lane))
        self.sharing.issued(poll)
        poll.task = self._supervisor.start(
            self._poll(poll), f"poll-{lane.task_list.name}", lambda ended: self._poll_ended(poll, ended)
        )
        self.inflight.add(poll)
        self.reconsider(lane)

    async def _poll(self, poll: Poll) -> Answer:
        task: Task | None
        asked, service, hold_s, hints = poll.lane.task_list, self._service, poll.hold_s, poll.hints
        if asked.kind is swf.TaskKind.ACTIVITY:
            task = await service.poll_for_activity_task(asked, identity=self._identity, hold_s=hold_s, hints=hints)
        else:
            only_new = poll.lane.start_at_previous
            task = await service.poll_for_decision_task(
                asked, identity=self._identity, start_at_previous=only_new, hold_s=hold_s, hints=hints
            )
        return task, self._clock.monotonic()

    def _poll_ended(self, poll: Poll, ended: asyncio.Task[Answer]) -> None:
        """The poll's connection is free, its task has its handler, and its lane knows when to poll again."""
        self._pulse.check()
        now = self._clock.monotonic()
        lane = poll.lane
        may_be_stale = self._ever_answered and lane.pace.failures == 0
        verdict = verdicts.of(poll, ended, self.feedback.hold, now, may_be_stale=may_be_stale)
        self._release(poll)
        self._account(poll, verdict, now)
        if verdict.task is not None:
            self.handlers.start(lane, verdict.task, verdict.came_at)
        self._settle(lane)

    def _release(self, poll: Poll) -> None:
        lane = poll.lane
        self.inflight.remove(poll)
        self.budget.give(lane.tenant)
        lane.parked -= 1
        if lane.parked == 0:
            lane.unpolled_since = self._clock.monotonic()
        self.sharing.ended(poll)

    def _account(self, poll: Poll, verdict: Verdict, now: float) -> None:
        """Let everyone learn from how the poll ended: metrics, turns, demand, pace, endpoint."""
        lane, outcome, duration_s = poll.lane, verdict.outcome, verdict.came_at - poll.begun
        self._ever_answered = self._ever_answered or outcome in outcomes.ANSWERED
        lane.metrics.ended(outcome, duration_s)
        if outcome in outcomes.ANSWERED and verdict.error is None:
            self.sharing.heard(poll, verdict.came_at, task=verdict.task is not None)
            lane.backlog = poll.hints.backlog
        if poll.was_given_up:
            lane.metrics.abandoned.inc()
        if outcome is Outcome.INVALID and isinstance(verdict.error, Exception):
            lane.failure = verdict.error
            self.sharing.needs_none(lane)
        if outcome is Outcome.DEFECT:
            _log.error("poll_failed_unexpectedly", task_list=lane.task_list.name, exc_info=verdict.error)
        rate_left = lane.kind not in self._short_of_rate
        self.allocator.learn(lane, outcome, duration_s, now, hints=poll.hints, rate_left=rate_left)
        if outcome is Outcome.THROTTLED:
            self.allocator.throttled(lane.kind, self.lanes.values(), now)
        says_hold = not poll.saw_stall and poll.hints.asked_s is None
        if self.feedback.ended(lane, outcome, duration_s if says_hold else 0.0, len(self.lanes), now):
            self._endpoint_back(now)
        if poll.saw_stall and verdict.task is None:
            self.feedback.stalled(lane, len(self.lanes), now)

    def _prober(self, profile: EndpointProfile, results: Counter) -> Prober | None:
        if not isinstance(self._service, swf.Countable) or profile.probe_rate <= 0.0:
            return None
        return Prober(
            self._service,
            profile.probe_rate,
            clock=self._clock,
            rng=self._rng,
            supervisor=self._supervisor,
            results=results,
            found=self._work_found,
            wake=self.wake,
        )

    def _work_found(self, lane: LaneState, tasks: int) -> None:
        """``lane`` waits for a connection, and ``tasks`` wait on its list: it is next."""
        lane.has_work = tasks
        self.waiting.remove(lane)
        self.reconsider(lane)

    def _endpoint_back(self, now: float) -> None:
        for lane in self.feedback.endpoint_back(self.lanes.values(), now):
            self.reconsider(lane)
        self.wake()

    def _settle(self, lane: LaneState) -> None:
        """After a poll or handler of ``lane`` ended."""
        self.reconsider(lane)
        self._forget_if_done(lane)
        self.waiters.check(lane.serial)
        self.wake()

    def _forget_if_done(self, lane: LaneState) -> None:
        if not lane.is_open and lane.is_quiet and self.lanes.pop(lane.serial, None) is not None:
            self.feedback.removed(lane)
            self.budget.leave(lane.tenant, lane.most_parked)
            self.sharing.tenants_changed()
            self.wake()


def _abort(polls: Iterable[Poll]) -> None:
    """Give up parked polls; only where the endpoint keeps a task that it could not hand over.

    A poll may still bring a task that was already on its way: it is handled like any other.
    """
    for poll in tuple(polls):
        poll.aborted = True
        poll.cancel()
