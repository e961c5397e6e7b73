"""Cutting a history into the decisions that made it (spec/swf-semantics 3.2, spec/anchors 3.4 and 3.8 rule 4).

One :class:`Batch` is what one answered (or asked-for) decision task knew and what history recorded as its answer:

* events between DecisionTaskStarted and its DecisionTaskCompleted were not part of that task: they belong to the next;
* a decision task that timed out never happened; what it knew goes to the next;
* a decision whose close was refused never happened either. Only markers go with a close (see ``closing``), so taking
  the decision again together with the news loses nothing and contradicts nothing recorded;
* a child or a message that SWF accepted and could not deliver is news, not an answer (spec/swf-semantics 8, note).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from elbflow import swf
from elbflow.flow.core import forms

PATCH_MARKER = "elbflow.patched"
_MARKED = ("MarkerRecorded", "RecordMarkerFailed")
_OF_DECISIONS = frozenset(f"DecisionTask{step}" for step in ("Scheduled", "Started", "TimedOut", "Completed"))


@dataclass(slots=True)
class Batch:
    """One decision: the news it was taken on, and the events that recorded its answer (None while unanswered)."""

    started: swf.HistoryEvent
    news: list[swf.HistoryEvent]
    recorded: list[swf.HistoryEvent] | None = None
    completed_id: int = 0

    @property
    def refused(self) -> bool:
        """SWF recorded nothing of this decision but that its close was refused."""
        answers = [event for event in self.recorded or () if event.attributes.get("markerName") is None]
        return len(answers) == 1 and answers[0].type in forms.REFUSED_CLOSES


@dataclass(slots=True)
class Cutter:
    """Hands out each decision when the next one begins; ``open`` is the latest. It may be fed in pieces."""

    inbox: list[swf.HistoryEvent] = field(default_factory=list)
    open: Batch | None = None

    def feed(self, events: Iterable[swf.HistoryEvent]) -> Iterator[Batch]:
        """Take more events; the decisions that end with them."""
        for event in events:
            kind = event.type
            if kind in forms.ANSWERS:
                self._record(event)
            elif kind not in _OF_DECISIONS:
                if kind in forms.REFUSALS and not event.attributes.get("initiatedEventId"):
                    self._record(event)
                self.inbox.append(event)
            elif (ended := self._turn(event)) is not None:
                yield ended

    def finish(self) -> Batch | None:
        """The open decision, unless it never happened."""
        batch, self.open = self.open, None
        if batch is not None and batch.refused:
            self.inbox = batch.news + self.inbox
            return None
        return batch

    def _turn(self, event: swf.HistoryEvent) -> Batch | None:
        """From one decision task to the next; the decision that ended with it, if one did."""
        ended, batch = None, self.open
        match event.type:
            case "DecisionTaskStarted":
                if batch is not None and batch.recorded is not None:
                    ended = self.finish()
                elif batch is not None:  # started again without a word about the first time
                    self.inbox = batch.news + self.inbox
                self.open, self.inbox = Batch(event, self.inbox), []
            case "DecisionTaskTimedOut":
                if batch is not None and event.attributes.get("startedEventId") == batch.started.id:
                    self.inbox, self.open = batch.news + self.inbox, None
            case "DecisionTaskCompleted":
                if batch is not None:
                    batch.recorded, batch.completed_id = [], event.id
        return ended

    def _record(self, event: swf.HistoryEvent) -> None:
        batch, decided = self.open, event.attributes.get("decisionTaskCompletedEventId")
        if batch is not None and batch.recorded is not None and decided == batch.completed_id:
            batch.recorded.append(event)


def batches(events: Iterable[swf.HistoryEvent]) -> Iterator[Batch]:
    """The decisions of a history, oldest first. The last one is unanswered when the history ends with its start."""
    cutter = Cutter()
    yield from cutter.feed(events)
    if (last := cutter.finish()) is not None:
        yield last


def patches(events: Iterable[swf.HistoryEvent]) -> frozenset[str]:
    """Names of the patches that a history has recorded anywhere."""
    marked = [event for event in events if event.type in _MARKED]
    return frozenset(str(event.attributes.get("details")) for event in marked if is_patch(event))


def is_patch(event: swf.HistoryEvent) -> bool:
    return event.type in _MARKED and event.attributes.get("markerName") == PATCH_MARKER


def text(event: swf.HistoryEvent, name: str) -> str | None:
    """An attribute that is text, if the event has it."""
    value = event.attributes.get(name)
    return value if isinstance(value, str) else None
