"""Answering decision tasks: fetch the history, decide, respond; a defect is withheld, never answered.

SWF has no «decision failed»: an unanswered task times out and is delivered again, after the fix to repaired code
(spec/anchors 3.8 rule 6). Calls are repeated by the SWF client itself (spec/swf-long-poll-scale 5.14).
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import polling, swf
from elbflow.flow import definition, errors, guards
from elbflow.flow.backoff import Backoff
from elbflow.flow.core import closing
from elbflow.flow.core import decide as core
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types

_log = structlog.get_logger(__name__)


class DecisionWorker:
    """Decides the given workflow classes. ``async with`` registers their types and polls ``task_list`` meanwhile.

    With ``retention_days`` it registers the domain too. On exit its lane is closed; what runs is drained by the
    scheduler.
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
        lane_class: str = "decider",
        retention_days: int | None = None,
        clock: clocks.Clock | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._service = service
        self._scheduler = scheduler
        self._task_list = swf.TaskList(swf.TaskKind.DECISION, domain, task_list)
        self._definitions = {found.type: found for found in map(definition.definition, workflows)}
        self._identity = identity
        self._slots = slots
        self._lane_class = lane_class
        self._retention_days = retention_days
        self._clock = clock or clocks.SystemClock()
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._backoff = Backoff()
        self._lane: polling.Lane | None = None

    async def __aenter__(self) -> Self:
        await register_types(
            self._service,
            self._task_list.domain,
            retention_days=self._retention_days,
            workflows=[found.signature for found in self._definitions.values()],
            task_list=self._task_list.name,
        )
        self._lane = self._scheduler.add_lane(
            self._task_list, self.handle, slots=self._slots, lane_class=self._lane_class
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lane is not None:
            await self._lane.close()

    async def handle(self, task: swf.DecisionTask) -> None:
        """Answer one decision task, or leave it unanswered so that SWF delivers it again.

        Cancelled here, the task is unanswered too.
        """
        run_id = task.execution.run_id
        if self._backoff.resting(run_id, self._clock.monotonic()):
            self._metrics.decision_defects.labels(task.workflow_type.name).inc()
            return
        try:
            decided = self._decide(task, await self._history(task))
            await self._service.respond_decision_task_completed(
                task.token, decided.decisions, execution_context=decided.execution_context
            )
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
            self._report(task, decided)

    async def _history(self, task: swf.DecisionTask) -> list[swf.HistoryEvent]:
        events = list(task.events)
        page_token = task.next_page_token
        while page_token is not None:
            page, page_token = await self._service.decision_task_page(
                self._task_list, page_token, identity=self._identity
            )
            events += page
        return events

    def _decide(self, task: swf.DecisionTask, events: list[swf.HistoryEvent]) -> core.Decided:
        found = self._definitions.get(task.workflow_type)
        if found is None:
            raise errors.WorkflowDefect(f"this worker has no workflow {task.workflow_type}")
        began = self._clock.monotonic()
        with guards.guarded():
            decided = core.decide(found.cls, events, execution=task.execution)
        name = task.workflow_type.name
        self._metrics.decision_seconds.labels(name).observe(self._clock.monotonic() - began)
        self._metrics.decision_events.labels(name).observe(len(events))
        return decided

    def _withhold(self, task: swf.DecisionTask, error: Exception) -> None:
        pause_s = self._backoff.failed(task.execution.run_id, self._clock.monotonic())
        self._metrics.decision_defects.labels(task.workflow_type.name).inc()
        defect = closing.defect(error)
        _log.error(
            "decision_withheld",
            defect=type(defect).__name__,
            message=str(defect),
            source=getattr(defect, "location", ""),
            pause_s=pause_s,
            exc_info=error,
            **_names(task),
        )

    def _report(self, task: swf.DecisionTask, decided: core.Decided) -> None:
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
