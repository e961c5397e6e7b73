"""Refuses dispensable work while commits are slow (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

from typing import Protocol

import structlog

from elbflow_engine import refusals
from elbflow_engine.turns import ranks
from elbflow_engine.turns.shedding import Shedding

log = structlog.get_logger()


class ShedObserver(Protocol):
    """Told about what is refused."""

    def shed(self, what: ranks.Shed) -> None:
        """A request was refused because commits are slow."""


class Load:
    """Times one commit after the other (:meth:`began`, :meth:`ended`) and says what may still be served."""

    def __init__(self, observer: ShedObserver) -> None:
        self._shedding = Shedding()
        self._observer = observer
        self._level = 0
        self.ended = self._shedding.ended

    @property
    def timing(self) -> bool:
        """Whether a commit is being timed; one at a time is enough."""
        return self._shedding.watching

    def began(self, now: float) -> None:
        """A commit was queued: time it."""
        self._shedding.began(now)

    def check(self, operation: str, now: float) -> None:
        """Raise :class:`refusals.Overloaded` when ``operation`` has to be given up for others."""
        what = ranks.shed(operation)
        if what is not ranks.Shed.NEVER and what <= self._current(now):
            self._observer.shed(what)
            raise refusals.Overloaded("Changes are written too slowly; try again later")

    def _current(self, now: float) -> int:
        level = self._shedding.level(now)
        if level != self._level:
            shed = [one.label for one in ranks.Shed if one <= level]
            log.warning("shedding_on" if shed else "shedding_off", shed=shed, commit_s=self._average(now))
            self._level = level
        return level

    def _average(self, now: float) -> float:
        return round(self._shedding.average_s(now), 3)
