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

    def feed(self, event: swf.HistoryEvent) -> Batch | None:
        """Take one more event; the decision that ended with it, if one did."""
        ended = None
        match event.type:
            case "DecisionTaskStarted":
                if self.open is not None and self.open.recorded is not None:
                    ended = self.finish()
                elif self.open is not None:  # started again without a word about the first time
                    self.inbox = self.open.news + self.inbox
                self.open, self.inbox = Batch(event, self.inbox), []
            case "DecisionTaskTimedOut":
                if self.open is not None and event.attributes.get("startedEventId") == self.open.started.id:
                    self.inbox, self.open = self.open.news + self.inbox, None
            case "DecisionTaskCompleted":
                if self.open is not None:
                    self.open.recorded, self.open.completed_id = [], event.id
            case "DecisionTaskScheduled":
                pass
            case _:
                self._sort(event)
        return ended

    def finish(self) -> Batch | None:
        """The open decision, unless it never happened."""
        batch, self.open = self.open, None
        if batch is not None and batch.refused:
            self.inbox = batch.news + self.inbox
            return None
        return batch

    def _sort(self, event: swf.HistoryEvent) -> None:
        batch = self.open
        refusal = event.type in forms.REFUSALS and not event.attributes.get("initiatedEventId")
        if (
            (refusal or event.type in forms.ANSWERS)
            and batch is not None
            and batch.recorded is not None
            and event.attributes.get("decisionTaskCompletedEventId") == batch.completed_id
        ):
            batch.recorded.append(event)
        if event.type not in forms.ANSWERS:
            self.inbox.append(event)


def batches(events: Iterable[swf.HistoryEvent]) -> Iterator[Batch]:
    """The decisions of a history, oldest first. The last one is unanswered when the history ends with its start."""
    cutter = Cutter()
    yield from filter(None, map(cutter.feed, events))
    if (last := cutter.finish()) is not None:
        yield last


def patches(events: Iterable[swf.HistoryEvent]) -> frozenset[str]:
    """Names of the patches that a history has recorded anywhere."""
    return frozenset(str(event.attributes.get("details")) for event in events if is_patch(event))


def is_patch(event: swf.HistoryEvent) -> bool:
    return event.type in ("MarkerRecorded", "RecordMarkerFailed") and event.attributes.get("markerName") == PATCH_MARKER


def text(event: swf.HistoryEvent, name: str) -> str | None:
    """An attribute that is text, if the event has it."""
    value = event.attributes.get(name)
    return value if isinstance(value, str) else None
