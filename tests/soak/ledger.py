"""What the engine acknowledged, and whether its histories still say so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from elbflow_engine import histories

Run: TypeAlias = tuple[str, str]
Event: TypeAlias = dict[str, Any]


class Lost(AssertionError):
    """The engine forgot or doubled something that it had acknowledged."""


@dataclass
class Ledger:
    """Written by clients the moment an answer is there. Runs are (workflow id, run id)."""

    started: set[Run] = field(default_factory=set)
    signalled: defaultdict[Run, list[str]] = field(default_factory=lambda: defaultdict(list))
    terminated: set[Run] = field(default_factory=set)
    cancel_requested: set[Run] = field(default_factory=set)
    delivered: defaultdict[Run, Counter[tuple[str, int]]] = field(default_factory=lambda: defaultdict(Counter))
    """Kind (``Decision``, ``Activity``) and started event id of each task a poll brought."""
    answered: defaultdict[Run, set[tuple[str, int, str]]] = field(default_factory=lambda: defaultdict(set))
    """The same with the close event that must follow."""
    refused: defaultdict[Run, set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))
    """Answers refused although nobody had given one before: the task must have timed out or its run closed."""
    touched: set[Run] = field(default_factory=set)
    """Runs about which something was written down since :meth:`fresh` was called."""

    def fresh(self) -> set[Run]:
        """The runs that have to be looked at again."""
        touched, self.touched = self.touched, set()
        return touched

    def acknowledgements(self) -> int:
        tables: Sequence[Mapping[Run, Any]] = (self.signalled, self.delivered, self.answered)
        counted = sum(len(entries) for table in tables for entries in table.values())
        return counted + len(self.started) + len(self.terminated) + len(self.cancel_requested)

    def check(self, run: Run, events: Sequence[Event]) -> None:
        """Raise :class:`Lost` unless ``events`` contain everything acknowledged for ``run``."""
        kinds = Counter(event["eventType"] for event in events)
        if run in self.terminated and not kinds["WorkflowExecutionTerminated"]:
            raise Lost(f"{run}: an acknowledged termination is gone")
        if run in self.cancel_requested and not kinds["WorkflowExecutionCancelRequested"]:
            raise Lost(f"{run}: an acknowledged request to cancel is gone")
        self._check_signals(run, events)
        self._check_tasks(run, events)

    def _check_signals(self, run: Run, events: Sequence[Event]) -> None:
        kept = Counter(
            histories.attributes(event)["signalName"]
            for event in events
            if event["eventType"] == "WorkflowExecutionSignaled"
        )
        for name in self.signalled.get(run, ()):
            if kept[name] != 1:
                raise Lost(f"{run}: acknowledged signal {name} is there {kept[name]} times")

    def _check_tasks(self, run: Run, events: Sequence[Event]) -> None:
        closed = {}
        for event in events:
            block = histories.attributes(event)
            if event["eventType"].startswith(("ActivityTask", "DecisionTask")) and "startedEventId" in block:
                closed[block["startedEventId"]] = event["eventType"]
        over = events[-1]["eventType"] in histories.CLOSE
        for (kind, started_id), count in self.delivered.get(run, {}).items():
            found = events[started_id - 1]["eventType"] if started_id <= len(events) else "nothing"
            if found != f"{kind}TaskStarted":
                raise Lost(f"{run}: a delivered task said it was started by event {started_id}, there is {found}")
            if count > 1:
                raise Lost(f"{run}: the task started by event {started_id} was delivered {count} times")
        for _, started_id, wanted in self.answered.get(run, ()):
            if closed.get(started_id) != wanted:
                raise Lost(f"{run}: {wanted} of the task started by {started_id} is gone: {closed.get(started_id)}")
        for _, started_id in self.refused.get(run, ()):
            if not over and not closed.get(started_id, "").endswith("TimedOut"):
                raise Lost(f"{run}: the answer to the task started by {started_id} was refused without a reason")
