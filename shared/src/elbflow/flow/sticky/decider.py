"""One decision: from memory where that is valid, else by replay; now and then by both, to compare."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Histogram

from elbflow import clock as clocks
from elbflow import swf
from elbflow.flow import definition, errors, guards, watchdog
from elbflow.flow.core import decide as core
from elbflow.flow.core import markers
from elbflow.flow.metrics import Metrics
from elbflow.flow.sticky.affinity import Affinity
from elbflow.flow.sticky.cache import Cache, Held, Newborns
from elbflow.flow.sticky.history import History
from elbflow.flow.sticky.in_flight import InFlight

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answer:
    """What to answer, and the run that gave it. ``held`` must be closed, or kept if the answer is accepted.

    ``doubted`` says that replay and memory differed: the run is not to be kept.
    """

    decided: core.Decided
    held: Held
    doubted: bool = False


class _Measures(NamedTuple):
    """What is measured of the decisions of one workflow type: its children are looked up once."""

    seconds: Histogram
    events: Histogram
    overruns: Counter

    @classmethod
    def of(cls, metrics: Metrics, name: str) -> _Measures:
        seconds, events, overruns = metrics.decision_seconds, metrics.decision_events, metrics.decision_overruns
        return cls(seconds.labels(name), events.labels(name), overruns.labels(name))


class Decider:
    """Decides tasks of the given workflows. ``cache`` None means: by full replay always.

    Whoever sends an answer does so ``in_flight``, so that the next task finds the run that gave it.
    """

    def __init__(
        self,
        definitions: Mapping[swf.TypeId, definition.WorkflowDefinition],
        cache: Cache | None,
        affinity: Affinity,
        *,
        audit_share: float,
        budget_s: float,
        clock: clocks.Clock,
        rng: random.Random,
        metrics: Metrics,
    ) -> None:
        self._definitions = definitions
        self._cache = cache
        self._affinity = affinity
        self._audit_share = audit_share
        self._budget_s = budget_s
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._newborns: defaultdict[swf.TypeId, Newborns] = defaultdict(Newborns)
        self._measures: dict[str, _Measures] = {}
        self.in_flight = InFlight()

    async def decide(self, task: swf.DecisionTask, history: History, *, on_own_list: bool) -> Answer:
        """Decide ``task``. Raises the errors of SWF while fetching, and defects of the workflow's code.

        Cancelled, or on an error, nothing of the execution stays in memory.
        """
        found = self._definitions.get(task.workflow_type)
        if found is None:
            raise errors.WorkflowDefect(f"this worker has no workflow {task.workflow_type}")
        held = None
        self._affinity.learn(task, on_own_list=on_own_list)
        if self._cache is not None and task.previous_started_event_id:
            await self.in_flight.settled(task.execution, task.previous_started_event_id)
            held = self._cache.take(task.execution, task.previous_started_event_id)
            self._metrics.cache_lookups.labels("miss" if held is None else "hit").inc()
        decided = None if held is None else await self._continued(task, held, history, on_own_list=on_own_list)
        if held is None or decided is None:
            return await self._replayed(task, found, history)
        return await self._audited(task, found, history, Answer(decided, held))

    async def _continued(
        self, task: swf.DecisionTask, held: Held, history: History, *, on_own_list: bool
    ) -> core.Decided | None:
        """The decision of a run in memory; None when it does not fit the news, and then it is closed."""
        try:
            events = await history.brought()
            news = [event for event in events if event.id > held.run.started_id]
            if not on_own_list:
                self._affinity.missed(news)
            held.took(news)
            return self._timed(task, held.run, events)
        except (swf.SwfError, watchdog.DecisionStuck):
            held.close()
            raise
        except Exception as error:  # whatever it is, the whole history tells whether it holds
            held.close()
            _log.info("sticky_run_dropped", error=repr(error), run_id=task.execution.run_id)
            return None
        except BaseException:
            held.close()
            raise

    async def _replayed(self, task: swf.DecisionTask, found: definition.WorkflowDefinition, history: History) -> Answer:
        events = await history.whole()
        held = Held(core.Run(found.cls, task.execution), self._budget_s)
        if not task.previous_started_event_id:
            held.born(events, self._newborns[task.workflow_type])
        try:
            return Answer(self._timed(task, held.run, events), held)
        except BaseException:
            held.close()
            raise

    async def _audited(
        self, task: swf.DecisionTask, found: definition.WorkflowDefinition, history: History, answer: Answer
    ) -> Answer:
        """Now and then, decide once more by full replay: its answer counts.

        Not where a side effect took place: it must not happen twice, and its value would differ.
        """
        if self._rng.random() >= self._audit_share or any(map(_is_side_effect, answer.decided.decisions)):
            return answer
        try:
            replayed = await self._replayed(task, found, history)
        except swf.SwfError as error:  # the answer stands without it
            _log.info("sticky_audit_skipped", error=str(error), run_id=task.execution.run_id)
            return answer
        except BaseException:
            answer.held.close()
            raise
        if same(answer.decided, replayed.decided):
            self._metrics.cache_audits.labels("ok").inc()
            replayed.held.close()
            return answer
        self._metrics.cache_audits.labels("different").inc()
        _log.error(
            "sticky_audit_different",
            workflow_type=task.workflow_type.name,
            workflow_id=task.execution.workflow_id,
            run_id=task.execution.run_id,
            remembered=[decision.type for decision in answer.decided.decisions],
            replayed=[decision.type for decision in replayed.decided.decisions],
        )
        answer.held.close()
        replayed.doubted = True
        return replayed

    def _timed(self, task: swf.DecisionTask, run: core.Run, events: Sequence[swf.HistoryEvent]) -> core.Decided:
        name = task.workflow_type.name
        measured = self._measures.get(name)
        if measured is None:
            measured = self._measures[name] = _Measures.of(self._metrics, name)
        began = self._clock.monotonic()
        with (
            watchdog.watched(task.execution.run_id, name, budget_s=self._budget_s, on_overrun=measured.overruns.inc),
            guards.guarded(),
        ):
            decided = run.decide(events)
        measured.seconds.observe(self._clock.monotonic() - began)
        measured.events.observe(len(events))
        return decided


def same(one: core.Decided, other: core.Decided) -> bool:
    """Whether SWF would be told the same."""
    return one.decisions == other.decisions and one.execution_context == other.execution_context


def _is_side_effect(decision: swf.Decision) -> bool:
    return decision.type == "RecordMarker" and decision.attributes.get("markerName") == markers.SIDE_EFFECT_MARKER
