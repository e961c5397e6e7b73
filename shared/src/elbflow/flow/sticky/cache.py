"""Runs in memory, bounded by bytes: the one that was not used for longest goes first."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from elbflow import swf
from elbflow.flow import guards, watchdog
from elbflow.flow.core import decide
from elbflow.flow.metrics import Metrics
from elbflow.flow.sticky import weight

_OBJECTS_PER_DECISION = 50
_CHARACTERS_PER_DECISION = 2_500
_ALIKE = 15

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Newborns:
    """What runs of one workflow weigh after their first decision, which costs more to find out than to decide.

    One in sixteen is weighed. The others count as much as that one until it is their turn to be weighed anew, unless
    their history brought more characters than its did.
    """

    characters: int = 0
    trusted: int = 0
    known: tuple[int, int] = (0, 0)
    """Bytes and objects."""

    def alike(self, characters: int) -> tuple[int, int] | None:
        """What one weighs whose history brought so much; None when it must be weighed."""
        if self.trusted == 0 or characters > self.characters:
            return None
        self.trusted -= 1
        return self.known

    def weighed(self, characters: int, found: tuple[int, int]) -> None:
        self.characters, self.known = characters, found
        self.trusted = _ALIKE if found[0] < weight.TOO_HEAVY else 0


@dataclass(slots=True, eq=False)
class Held:
    """A run and what it weighs. It belongs to the cache or to one decision, never to both.

    ``budget_s`` is what closing it may take (see :mod:`elbflow.flow.watchdog`).
    """

    run: decide.Run
    budget_s: float = watchdog.BUDGET_S
    bytes: int = 0
    _until_weighed: int = 0
    _newborns: Newborns | None = None
    _brought: int = 0

    def weigh(self) -> int:
        """Bytes it keeps. Weighed anew the more rarely the more objects it has, so that no decision pays for many."""
        self._until_weighed -= 1
        if self._until_weighed >= 0:
            return self.bytes
        newborns, self._newborns = self._newborns, None
        found = None if newborns is None else newborns.alike(self._brought)
        if found is None:
            found = weight.bytes_of(self.run)
            if newborns is not None:
                newborns.weighed(self._brought, found)
        self.bytes, objects = found
        self._until_weighed = objects // _OBJECTS_PER_DECISION
        return self.bytes

    def born(self, history: Iterable[swf.HistoryEvent], newborns: Newborns) -> None:
        """It took its first decision, after this history."""
        self._newborns, self._brought = newborns, _characters(history)

    def took(self, news: Iterable[swf.HistoryEvent]) -> None:
        """Count what ``news`` brought until it is weighed anew, which is the sooner the more that is."""
        brought = _characters(news)
        self.bytes += brought
        self._until_weighed -= brought // _CHARACTERS_PER_DECISION

    def close(self) -> None:
        """Unwind the workflow; its cleanup runs without effect, guarded and watched as all workflow code.

        What does not unwind within its time is let go.
        """
        instance = self.run.instance
        if instance is None:
            return
        if not instance.loop.unfinished():  # as of workflows that ended: none of its code will run
            self.run.close()
            return
        run_id, name = instance.execution.run_id, instance.definition.type.name
        try:
            with watchdog.watched(run_id, name, budget_s=self.budget_s), guards.guarded():
                self.run.close()
        except watchdog.DecisionStuck as error:  # nothing of a closed run has an effect: the caller goes on
            _log.error("run_not_unwound", error=repr(error.__cause__), workflow_type=name, run_id=run_id)


class Cache:
    """At most ``most_bytes`` of runs, by execution."""

    def __init__(self, most_bytes: int, metrics: Metrics) -> None:
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._held: collections.OrderedDict[swf.Execution, Held] = collections.OrderedDict()
        self._bytes = 0
        self._weighs_all = True

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        return self._bytes

    def take(self, execution: swf.Execution, previous_started_id: int) -> Held | None:
        """Remove and give the run whose last accepted answer was to ``previous_started_id``.

        The caller owns it from then on, so a second task of the execution finds nothing. A run that stands behind is
        of no use any more and is closed; one that is ahead stays, for the task is one that was answered before.
        """
        known = self._held.get(execution)
        if known is None or known.run.started_id > previous_started_id:
            return None
        held = self._remove(execution)
        if held is not None and held.run.started_id < previous_started_id:
            held.close()
            held = None
        self._show()
        return held

    def fits(self, held: Held) -> bool:
        """Whether there is a place for ``held``, if all others had to go. What cannot be weighed has none."""
        try:
            return held.weigh() <= self._most_bytes
        except Exception as error:  # weighing looks at the workflow's own objects, which may do anything
            if self._weighs_all:
                self._weighs_all = False
                _log.debug("run_not_weighed", error=repr(error))
            return False

    def put(self, execution: swf.Execution, held: Held) -> None:
        """Keep ``held``, whose answer SWF has just accepted; evict others for it.

        Of two runs of one execution the one that stands further on stays: their answers may have been accepted in
        another order than they came back.
        """
        other = self._remove(execution)
        if other is not None:
            held, other = (held, other) if held.run.started_id > other.run.started_id else (other, held)
            other.close()
        self._held[execution] = held
        self._bytes += held.bytes
        while self._bytes > self._most_bytes:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= oldest.bytes
            oldest.close()
            self._metrics.cache_evictions.inc()
        self._show()

    def clear(self) -> None:
        """Close all runs."""
        while self._held:
            self._held.popitem()[1].close()
        self._bytes = 0
        self._show()

    def _remove(self, execution: swf.Execution) -> Held | None:
        held = self._held.pop(execution, None)
        self._bytes -= 0 if held is None else held.bytes
        return held

    def _show(self) -> None:
        self._metrics.cache_bytes.set(self._bytes)
        self._metrics.cache_executions.set(len(self._held))


def _characters(events: Iterable[swf.HistoryEvent]) -> int:
    return sum(len(text) for event in events for text in event.attributes.values() if isinstance(text, str))
