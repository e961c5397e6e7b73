"""The process's own task list: which answers ask for it, and whether the endpoint knows of such lists at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from elbflow import swf

_MOST_IGNORED = 3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Override:
    """Where the execution's next decision tasks shall go, and for how long they wait there for this process."""

    task_list: str
    schedule_to_start: timedelta | None = None


class Affinity:
    """Whether executions may be bound to this process.

    Older endpoints lack the parameters (Eucalyptus lacks both) or ignore them. That is found out from what they do and
    remembered for the life of the process: it then replays whole histories, which is slower and nothing else.
    """

    def __init__(self, own_list: str, schedule_to_start: timedelta) -> None:
        self.own_list = own_list
        self.is_known = True
        self.is_draining = False
        self._schedule_to_start = schedule_to_start
        self._ignored = 0

    @property
    def is_on(self) -> bool:
        return self.is_known and not self.is_draining

    def binding(self) -> Override:
        return Override(self.own_list, self._schedule_to_start)

    def release(self, original_list: str) -> Override | None:
        """The general list again, in place of any earlier binding."""
        return Override(original_list) if self.is_known else None

    def learn(self, task: swf.DecisionTask, *, on_own_list: bool) -> None:
        """Look at a task before it is decided."""
        if on_own_list:
            self._ignored = 0
            if task.previous_started_event_id > 1 and task.events and task.events[0].id == 1:
                self.give_up("startAtPreviousStartedEvent is ignored")

    def missed(self, news: Sequence[swf.HistoryEvent]) -> None:
        """An execution that is bound to this process came on the general list: either it was late, or was not asked.

        A single one may have another reason that is not known here; several in a row have not.
        """
        if any(event.type == "DecisionTaskTimedOut" for event in news):
            return
        self._ignored += 1
        if self._ignored >= _MOST_IGNORED:
            self.give_up("task lists of answers are ignored")

    def give_up(self, reason: str) -> None:
        """Bind no execution any more."""
        if self.is_known:
            self.is_known = False
            _log.info("sticky_execution_off", reason=reason)
