"""The long-poll scheduler of a process, as its users see it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self, TypeAlias, cast

import structlog
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import errors, swf
from elbflow.polling import debug, report, wishes
from elbflow.polling.budget import Budget, budget_limit
from elbflow.polling.ceiling import Ceiling
from elbflow.polling.core import Core
from elbflow.polling.demand import Demand
from elbflow.polling.gauges import ClassTotals
from elbflow.polling.lane import LaneState, TaskHandler
from elbflow.polling.metrics import Metrics
from elbflow.polling.pacing import Pace
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics
from elbflow.polling.tenants import TenantShare

Handler: TypeAlias = Callable[[swf.DecisionTask], Awaitable[None]] | Callable[[swf.ActivityTask], Awaitable[None]]

_log = structlog.get_logger(__name__)


class SchedulerStopped(errors.Cancelled):
    """The scheduler is draining and takes no more lanes."""


class Lane:
    """One task list being polled. Made by :meth:`Scheduler.add_lane`."""

    def __init__(self, core: Core, state: LaneState, clock: clocks.Clock, abort_wait_s: float | None) -> None:
        self._core = core
        self._state = state
        self._clock = clock
        self._abort_wait_s = abort_wait_s

    @property
    def task_list(self) -> swf.TaskList:
        return self._state.task_list

    @property
    def failure(self) -> Exception | None:
        """Why the lane stopped for good: SWF called its polls invalid, which no repetition changes."""
        return self._state.failure

    async def close(self) -> None:
        """Issue no more polls for this lane.

        Where the endpoint allows it, parked polls are aborted and have ended on return. Elsewhere they end by
        themselves within the hold time, and a task that one still brings goes to ``on_orphan``, or to the handler.
        Handlers that run go on; :meth:`drained` waits for them. Closing twice is harmless.
        """
        self._core.close(self._state)
        if self._abort_wait_s is not None:
            await self._core.waiters.until(lambda: self._state.parked == 0, self._abort_wait_s, lane=self._state.serial)

    async def drained(self, timeout_s: float) -> bool:
        """Whether, within ``timeout_s`` seconds, this lane had no poll in flight and no handler running."""
        return await self._core.waiters.until(lambda: self._state.is_quiet, timeout_s, lane=self._state.serial)

    def statistics(self) -> LaneStatistics:
        """This lane now, and why it has no further poll in flight."""
        return report.of_lane(self._core, self._state, self._clock.monotonic())


class Scheduler:
    """Opens all long polls of a process, within a budget of connections (spec/swf-long-poll-scale 5).

    ``service`` is polled with ``identity``. At most ``budget`` polls are in flight (default: what the profile
    advises, within the client's poll connections), of which each tenant may use what ``shares`` says. Every lane with
    a free slot keeps at least one poll while the budget allows. ``async with`` starts it and drains it: on exit no
    poll is issued any more, those in flight are waited for, and what they bring is handled.
    """

    def __init__(
        self,
        service: swf.Polls,
        *,
        profile: EndpointProfile,
        identity: str,
        budget: int | None = None,
        shares: Mapping[str, TenantShare] | None = None,
        clock: clocks.Clock | None = None,
        rng: random.Random | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._profile = profile
        self._identity = identity
        self._clock = clock or clocks.SystemClock()
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._core = Core(
            service,
            profile,
            budget=Budget(budget_limit(budget, profile, service), shares),
            identity=identity,
            clock=self._clock,
            rng=rng or random.Random(),  # noqa: S311
            metrics=self._metrics,
        )
        self._metrics.watch_lanes(self.classes)

    async def __aenter__(self) -> Self:
        self._core.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drain (5.13): cancelled once more while it waits, it abandons the polls that are left."""
        core, profile = self._core, self._profile
        core.stop()
        try:
            await core.waiters.until(lambda: len(core.inflight) == 0, core.drain_left_s())
            core.give_up_polls()
            if not await core.waiters.until(core.is_quiet, max(1.0, core.drain_left_s())):
                self.abort_handlers()
                await core.waiters.until(core.is_quiet, profile.flush_s)
        finally:
            core.give_up_polls()
            if core.handlers:
                _log.error("handlers_left_running", handlers=len(core.handlers))
            core.halt()

    def add_lane(
        self,
        task_list: swf.TaskList,
        handler: Handler,
        *,
        slots: int,
        max_polls: int | None = None,
        lane_class: str = "default",
        on_orphan: Handler | None = None,
        tenant: str = "elb",
        weight: float = 1.0,
        max_dispatch_latency_s: float | None = None,
        latency_critical: bool = False,
        min_polls: int = 1,
        start_at_previous: bool = False,
    ) -> Lane:
        """Poll ``task_list`` and give its tasks to ``handler``, up to ``slots`` at a time.

        Each call of ``handler`` runs in a supervised task and holds one slot until it returns; it must answer its
        task, and an exception that leaves it is logged and counted. ``max_polls`` limits the polls in flight
        (default: the profile's for this kind); ``min_polls`` stay parked while slots and budget allow, what exceeds
        them goes to lanes that get tasks, by ``weight``. ``lane_class`` labels the metrics, ``tenant`` names whose
        share of the budget is used. A task that arrives after the lane was closed goes to ``on_orphan``, or to
        ``handler`` when there is none. ``start_at_previous`` asks for decision tasks whose history begins where the
        previous decision task began: for a list of executions that this process remembers.

        When lanes outnumber the budget, they take turns: ``latency_critical`` lanes keep their poll for good, and
        a task may wait ``max_dispatch_latency_s`` seconds (default: any time) for its lane's turn.

        Raises :class:`SchedulerStopped` while draining, ``LatencyOutOfReach`` when a task could wait longer than it
        may, and ``ValueError``; both say what to change.
        """
        if self._core.is_stopping:
            raise SchedulerStopped
        ceiling = max_polls if max_polls is not None else self._profile.max_polls(task_list.kind)
        wishes.check(
            slots=slots,
            max_polls=ceiling,
            most_polls=self._profile.most_polls,
            min_polls=min_polls,
            weight=weight,
            max_dispatch_latency_s=max_dispatch_latency_s,
        )
        now = self._clock.monotonic()
        state = LaneState(
            serial=self._core.next_serial(),
            task_list=task_list,
            lane_class=lane_class,
            handler=cast(TaskHandler, handler),
            on_orphan=cast(TaskHandler | None, on_orphan),
            slots=slots,
            pace=Pace(leader_at=now, others_at=now),
            ceiling=Ceiling(ceiling),
            demand=Demand(min_polls),
            metrics=self._metrics.of_lane(lane_class, task_list.kind),
            unpolled_since=now,
            tenant=tenant,
            weight=weight,
            min_polls=min_polls,
            max_dispatch_latency_s=max_dispatch_latency_s,
            latency_critical=latency_critical,
            start_at_previous=start_at_previous,
        )
        self._core.admit(state)
        self._core.add(state)
        return Lane(self._core, state, self._clock, self._profile.flush_s if self._profile.safe_abort else None)

    @property
    def identity(self) -> str:
        """How the polls appear in histories."""
        return self._identity

    def stop(self) -> None:
        """Begin to drain: no poll is issued any more. Safe to call from a signal handler, and twice."""
        self._core.stop()

    async def drained(self, timeout_s: float) -> bool:
        """Whether, within ``timeout_s`` seconds, no poll was in flight and no handler running."""
        return await self._core.waiters.until(self._core.is_quiet, timeout_s)

    @property
    def is_stopping(self) -> bool:
        """Whether it drains: every poll that ends now was the last of its lane."""
        return self._core.is_stopping

    def abort_handlers(self) -> None:
        """Cancel all running handlers, as on a second signal: they answer their tasks as cancelled."""
        self._core.handlers.cancel()

    def statistics(self, *, lanes: bool = True) -> SchedulerStatistics:
        """All lanes now, and why each has no further poll in flight; without ``lanes`` only the totals, cheaply."""
        now = self._clock.monotonic()
        return report.of_scheduler(self._core, self._profile.name, self._identity, now, lanes=lanes)

    def classes(self) -> list[ClassTotals]:
        """The lanes now, added up by class and kind."""
        return report.of_classes(self._core, self._clock.monotonic())

    async def look(self, query: debug.LaneQuery) -> debug.View:
        """The totals and the lanes that ``query`` asks for; lets other things run between thousands of lanes."""
        totals = self.statistics(lanes=False)
        return await debug.look(self._core, totals, query, self._clock)
