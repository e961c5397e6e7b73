"""The heart of the scheduler: one synchronous pass decides which polls to issue, and runs only when something changed.

Order for every poll (I2): executor slot, rate token, connection, poll. Nothing here ticks: a pass is caused by a poll
or handler that ended, by a lane that came or went, or by the one alarm for the earliest instant that matters.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Iterable

import structlog

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import outcome as outcomes
from elbflow.polling.alarm import Alarm
from elbflow.polling.allocation import Allocator, WaitingLanes
from elbflow.polling.budget import Budget
from elbflow.polling.drain import Waiters
from elbflow.polling.feedback import Feedback
from elbflow.polling.handling import Handlers
from elbflow.polling.inflight import Answer, InFlight, Poll
from elbflow.polling.lane import LaneState, Task
from elbflow.polling.metrics import Metrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.profile import EndpointProfile
from elbflow.tasks import Supervisor

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
        self._supervisor = Supervisor()
        self._alarm = Alarm(clock, self._supervisor, self.wake)
        self._serials = itertools.count(1)
        self._timers: list[tuple[float, int, LaneState]] = []
        self._pass_due = False
        self._is_halted = False
        self._ever_answered = False
        self.budget = budget
        self.allocator = Allocator()
        self.feedback = Feedback(profile, rng)
        self.waiting = WaitingLanes()
        self.waiters = Waiters(clock)
        self.inflight = InFlight(profile.watchdog_s)
        self.handlers = Handlers(clock, self._handler_ended)
        self.lanes: dict[int, LaneState] = {}
        self.is_running = False
        self.is_stopping = False
        metrics.watch(self.budget, self.feedback)

    def start(self) -> None:
        """Begin to poll."""
        self.is_running = True
        self.wake()

    def stop(self) -> None:
        """Issue no more polls; what is parked ends by itself, or at once where that is safe."""
        self.is_running = False
        self.is_stopping = True
        if self._safe_abort:
            _abort(self.inflight)

    def halt(self) -> None:
        """Everything has ended: no pass follows any more."""
        self._is_halted = True
        self._alarm.clear()

    def add(self, lane: LaneState) -> None:
        """Begin to poll for ``lane``."""
        self.lanes[lane.serial] = lane
        lane.metrics.lanes.inc()
        self.feedback.added(lane, len(self.lanes), self._clock.monotonic())
        self.reconsider(lane)

    def close(self, lane: LaneState) -> None:
        """Issue no more polls for ``lane``; it is forgotten when its last poll and handler have ended."""
        if not lane.is_open:
            return
        lane.is_open = False
        self.waiting.remove(lane)
        if self._safe_abort:
            _abort(poll for poll in self.inflight if poll.lane is lane)
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
            if lane.timer != due:
                lane.timer = due
                heapq.heappush(self._timers, (due, lane.serial, lane))
        else:
            self.waiting.add(lane)
        self.wake()

    def give_up_polls(self) -> None:
        """Last resort of a drain: cancel what is still parked, count it and say where (5.13)."""
        lost = sorted({poll.lane.task_list.name for poll in self.inflight})
        if lost:
            _log.error("polls_abandoned", polls=len(self.inflight), task_lists=lost)
        for poll in self.inflight:
            poll.cancel()

    def _pass(self) -> None:
        try:
            if not self._is_halted:
                self._make_pass(self._clock.monotonic())
        finally:
            self._pass_due = False

    def _make_pass(self, now: float) -> None:
        self.inflight.give_up_overdue(now)
        if self.feedback.breaker.probe_survived(now):
            self._endpoint_back(now)
        self._fire_timers(now)
        next_token = self._issue_polls(now) if self.is_running else None
        next_timer = self._timers[0][0] if self._timers else None
        instants = (next_token, next_timer, self.inflight.next_deadline(), self.feedback.breaker.next_change())
        ahead = [at for at in instants if at is not None and at > now]
        if ahead:
            self._alarm.set(min(ahead))

    def _fire_timers(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            due, _, lane = heapq.heappop(self._timers)
            if lane.timer == due:
                lane.timer = None
                self.reconsider(lane)

    def _issue_polls(self, now: float) -> float | None:
        """Issue all polls that may go out now; returns when the next rate token comes, if that is what is missing."""
        tokens = {kind: governor.ready_at(now) for kind, governor in self.feedback.governors.items()}
        while self.budget.has_room(growth=False) and self.feedback.breaker.may_issue(now):
            ready = [kind for kind, at in tokens.items() if at <= now]
            lane = self.waiting.take(ready, growth=self.budget.has_room(growth=True))
            if lane is None:
                return min((at for kind, at in tokens.items() if at > now and self.waiting.has(kind)), default=None)
            if self._may_poll(lane, now):
                self._issue(lane, now)
                tokens[lane.kind] = self.feedback.governors[lane.kind].ready_at(now)
        return None

    def _may_poll(self, lane: LaneState, now: float) -> bool:
        wanted = lane.takes_polls and lane.parked < self.allocator.target(lane)
        return wanted and lane.pace.due(leader=lane.parked == 0) <= now

    def _issue(self, lane: LaneState, now: float) -> None:
        assert lane.free_slots > 0, "poll issued without a free slot"
        self.feedback.governors[lane.kind].take(now)
        self.feedback.breaker.issued(now, self._rng)
        self.budget.take()
        lane.parked += 1
        lane.polls += 1
        lane.metrics.inflight.inc()
        lane.metrics.permits.inc()
        poll = Poll(self.next_serial(), lane, now)
        poll.task = self._supervisor.start(
            self._poll(lane), f"poll-{lane.task_list.name}", lambda ended: self._poll_ended(poll, ended)
        )
        self.inflight.add(poll)
        self.reconsider(lane)

    async def _poll(self, lane: LaneState) -> Answer:
        task: Task | None
        if lane.kind is swf.TaskKind.DECISION:
            task = await self._service.poll_for_decision_task(lane.task_list, identity=self._identity)
        else:
            task = await self._service.poll_for_activity_task(lane.task_list, identity=self._identity)
        return task, self._clock.monotonic()

    def _poll_ended(self, poll: Poll, ended: asyncio.Task[Answer]) -> None:
        now = self._clock.monotonic()
        lane = poll.lane
        outcome, task, came_at = self._judge(poll, ended, now)
        self._release(poll)
        self._account(poll, outcome, came_at - poll.begun, now)
        if task is not None:
            self.handlers.start(lane, task, came_at)
        else:
            lane.metrics.permits.dec()
        self._settle(lane)

    def _judge(self, poll: Poll, ended: asyncio.Task[Answer], now: float) -> tuple[Outcome, Task | None, float]:
        lane = poll.lane
        if ended.cancelled():
            if poll.aborted:
                return Outcome.ABORTED, None, now
            lane.metrics.abandoned.inc()
            return Outcome.AMBIGUOUS, None, now
        error = ended.exception()
        if error is None:
            task, came_at = ended.result()
            if task is not None:
                return Outcome.TASK, task, came_at
            return outcomes.of_empty(came_at - poll.begun, self.feedback.hold), None, came_at
        may_be_stale = self._ever_answered and lane.pace.failures == 0
        outcome = outcomes.of_error(error, now - poll.begun, may_be_stale=may_be_stale)
        if outcome is Outcome.INVALID and isinstance(error, Exception):
            lane.failure = error
        if outcome is Outcome.DEFECT:
            _log.error("poll_failed_unexpectedly", task_list=lane.task_list.name, exc_info=error)
        return outcome, None, now

    def _release(self, poll: Poll) -> None:
        lane = poll.lane
        self.inflight.remove(poll)
        self.budget.give()
        lane.parked -= 1
        if lane.parked == 0:
            lane.unpolled_since = self._clock.monotonic()
        lane.metrics.inflight.dec()

    def _account(self, poll: Poll, outcome: Outcome, duration_s: float, now: float) -> None:
        self._ever_answered = self._ever_answered or outcome in outcomes.ANSWERED
        poll.lane.metrics.ended(outcome, duration_s)
        if self.feedback.ended(poll.lane, outcome, duration_s, len(self.lanes), now):
            self._endpoint_back(now)

    def _endpoint_back(self, now: float) -> None:
        lanes = list(self.lanes.values())
        self.feedback.endpoint_back(lanes, now)
        for lane in lanes:
            self.reconsider(lane)

    def _handler_ended(self, lane: LaneState) -> None:
        lane.metrics.permits.dec()
        self._settle(lane)

    def _settle(self, lane: LaneState) -> None:
        """After a poll or handler of ``lane`` ended."""
        self.reconsider(lane)
        self._forget_if_done(lane)
        self.waiters.check()
        self.wake()

    def _forget_if_done(self, lane: LaneState) -> None:
        if not lane.is_open and lane.is_quiet and self.lanes.pop(lane.serial, None) is not None:
            self.feedback.removed(lane)
            lane.metrics.lanes.dec()


def _abort(polls: Iterable[Poll]) -> None:
    """Give up parked polls; only where the endpoint keeps a task that it could not hand over.

    A poll may still bring a task that was already on its way: it is handled like any other.
    """
    for poll in tuple(polls):
        poll.aborted = True
        poll.cancel()
