"""Answering decision tasks: fetch the history, decide, respond; a defect is withheld, never answered.

SWF has no «decision failed»: an unanswered task times out and is delivered again, after the fix to repaired code
(spec/anchors 3.8 rule 6). Calls are repeated by the SWF client itself (spec/swf-long-poll-scale 5.14).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import polling, swf
from elbflow.flow import definition, failures, inspection, watchdog
from elbflow.flow import sticky as stickiness
from elbflow.flow.backoff import Backoff
from elbflow.flow.core import decide
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types
from elbflow.flow.sticky import settings

_log = structlog.get_logger(__name__)

_STICKY = settings.Sticky()


class DecisionWorker:
    """Decides the given workflow classes. ``async with`` registers their types and polls ``task_list`` meanwhile.

    With ``retention_days`` it registers the domain too. With ``sticky`` it polls a list of its own as well, for the
    executions it remembers; None replays every history in full. A decision longer than ``decision_budget_s`` has its
    stack logged. On exit its lanes are closed, what it remembers is forgotten, and answers still to come hand their
    executions over to the other deciders; what runs is drained by the scheduler.
    """

    def __init__(
        self,
        service: swf.Service,
        scheduler: polling.Scheduler,
        *,
        domain: str,
        task_list: str,
        workflows: Iterable[type],
        identity: str,
        slots: int = 8,
        min_polls: int = 1,
        lane_class: str = "decider",
        retention_days: int | None = None,
        sticky: settings.Sticky | None = _STICKY,
        decision_budget_s: float = watchdog.BUDGET_S,
        clock: clocks.Clock | None = None,
        rng: random.Random | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._service = service
        self._scheduler = scheduler
        self._task_list = swf.TaskList(swf.TaskKind.DECISION, domain, task_list)
        self._definitions = definition.by_type(workflows)
        for found in self._definitions.values():
            inspection.check(found.cls)  # once more: now the functions defined below the class are there too
        self._identity = identity
        self._slots = slots
        self._min_polls = min_polls
        self._lane_class = lane_class
        self._retention_days = retention_days
        self._sticky = sticky
        self._clock = clock or clocks.SystemClock()
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._backoff = Backoff()
        rng = rng or random.Random()  # noqa: S311
        wanted = sticky or _STICKY
        self._affinity = stickiness.Affinity(settings.list_name(identity, rng), wanted.schedule_to_start)
        self._own_list = swf.TaskList(swf.TaskKind.DECISION, domain, self._affinity.own_list)
        self._cache = None if sticky is None else stickiness.Cache(sticky.bytes, self._metrics)
        self._decider = stickiness.Decider(
            self._definitions,
            self._cache,
            self._affinity,
            audit_share=wanted.audit_share,
            budget_s=decision_budget_s,
            clock=self._clock,
            rng=rng,
            metrics=self._metrics,
        )
        self._lane: polling.Lane | None = None
        self._own_lane: polling.Lane | None = None

    async def __aenter__(self) -> Self:
        await register_types(
            self._service,
            self._task_list.domain,
            retention_days=self._retention_days,
            workflows=[found.signature for found in self._definitions.values()],
            task_list=self._task_list.name,
        )
        self._lane = self._scheduler.add_lane(
            self._task_list,
            self.handle,
            slots=self._slots,
            min_polls=self._min_polls,
            lane_class=self._lane_class,
        )
        if self._sticky is not None:
            self._own_lane = self._scheduler.add_lane(
                self._own_list,
                functools.partial(self.handle, on_own_list=True),
                slots=self._sticky.slots or self._slots,
                min_polls=min(self._min_polls, self._sticky.slots or self._slots),
                lane_class=f"{self._lane_class}-sticky",
                start_at_previous=True,
            )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._affinity.is_draining = True
        for lane in (self._lane, self._own_lane):
            if lane is not None:
                await lane.close()
        if self._cache is not None:
            self._cache.clear()

    async def handle(self, task: swf.DecisionTask, *, on_own_list: bool = False) -> None:
        """Answer one decision task, or leave it unanswered so that SWF delivers it again.

        ``on_own_list`` says that it came on this process's own list. Cancelled here, the task is unanswered too.
        """
        run_id = task.execution.run_id
        if self._backoff.resting(run_id, self._clock.monotonic()):
            self._metrics.decision_defects.labels(task.workflow_type.name).inc()
            return
        polled = self._own_list if on_own_list else self._task_list
        history = stickiness.History(
            self._service, task, polled, identity=self._identity, only_new=on_own_list, clock=self._clock
        )
        try:
            answer = await self._decider.decide(task, history, on_own_list=on_own_list)
            with self._decider.in_flight.sending(task.execution, task.started_event_id):
                await self._respond(task, answer, on_own_list=on_own_list)
        except swf.UnknownResource:
            self._metrics.decisions_stale.labels(task.workflow_type.name).inc()
            _log.info("decision_stale", **_names(task))
        except swf.Invalid as error:
            self._withhold(task, error)
        except swf.SwfError as error:
            _log.warning("decision_not_delivered", error=str(error), **_names(task))
        except Exception as error:
            self._withhold(task, error)
        else:
            self._backoff.recovered(run_id)
            self._report(task, answer.decided)
        if not self._affinity.is_known:
            await self._stop_sticking()

    async def _respond(self, task: swf.DecisionTask, answer: stickiness.Answer, *, on_own_list: bool) -> None:
        """Answer, and remember the run once SWF has accepted that; in any other case forget it."""
        try:
            keep = self._may_keep(answer)
            override = self._affinity.binding() if keep else None
            if on_own_list and not keep:  # a task of the general list shows that the execution is bound to none
                override = self._affinity.release(answer.held.run.task_list)
            await self._send(task, answer, override)
        except BaseException:
            answer.held.close()
            raise
        if keep and self._affinity.is_on and self._cache is not None:
            self._cache.put(task.execution, answer.held)
        else:
            answer.held.close()

    def _may_keep(self, answer: stickiness.Answer) -> bool:
        self._notice()
        unbound = self._own_lane is None or not self._affinity.is_on
        if self._cache is None or unbound or answer.doubted or answer.decided.closes:
            return False
        return self._cache.fits(answer.held)

    async def _send(
        self, task: swf.DecisionTask, answer: stickiness.Answer, override: stickiness.Override | None
    ) -> None:
        try:
            await self._complete(task, answer.decided, override)
        except swf.Invalid:
            if override is None:
                raise
            await self._complete(task, answer.decided, None)  # raises again what is wrong with the decisions themselves
            self._affinity.give_up("task lists of answers are refused")

    async def _complete(
        self, task: swf.DecisionTask, decided: decide.Decided, override: stickiness.Override | None
    ) -> None:
        if override is None:
            await self._service.respond_decision_task_completed(
                task.token, decided.decisions, execution_context=decided.execution_context
            )
        else:
            await self._service.respond_decision_task_completed(
                task.token,
                decided.decisions,
                execution_context=decided.execution_context,
                task_list=override.task_list,
                schedule_to_start=override.schedule_to_start,
            )

    async def _stop_sticking(self) -> None:
        lane, self._own_lane = self._own_lane, None
        if lane is not None and self._cache is not None:
            self._cache.clear()
            await lane.close()

    def _notice(self) -> None:
        """What the scheduler has to say about sticky execution."""
        if self._scheduler.is_stopping:
            self._affinity.is_draining = True
        if self._own_lane is not None and self._own_lane.failure is not None:
            self._affinity.give_up("startAtPreviousStartedEvent is refused")

    def _withhold(self, task: swf.DecisionTask, error: Exception) -> None:
        pause_s = self._backoff.failed(task.execution.run_id, self._clock.monotonic())
        self._metrics.decision_defects.labels(task.workflow_type.name).inc()
        defect = failures.defect(error)
        _log.error(
            "decision_withheld",
            defect=type(defect).__name__,
            message=str(defect),
            source=getattr(defect, "location", ""),
            pause_s=pause_s,
            exc_info=error,
            **_names(task),
        )

    def _report(self, task: swf.DecisionTask, decided: decide.Decided) -> None:
        for signal in decided.dropped_signals:
            self._metrics.signals_dropped.labels(task.workflow_type.name).inc()
            _log.warning("signal_dropped", signal=signal, **_names(task))
        for error in decided.unobserved:
            _log.warning("background_task_failed", error=error, **_names(task))


def _names(task: swf.DecisionTask) -> dict[str, str]:
    return {
        "workflow_type": task.workflow_type.name,
        "workflow_id": task.execution.workflow_id,
        "run_id": task.execution.run_id,
    }
