"""Everything the engine has in memory: domains, types, open executions, task lists and deadlines.

Closed executions are not here: they are in the journal alone, see :mod:`.closed`.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from elbflow_engine.core import api, choices, deadlines, faults, rates, retention, times
from elbflow_engine.core.limits import Limits
from elbflow_engine.core.matching import ListKey, Matching
from elbflow_engine.core.model import ACTIVITY, DECISION, Execution, Header, TypeKey
from elbflow_engine.core.tokens import Tokens

REGISTERED = "REGISTERED"
DEPRECATED = "DEPRECATED"


@dataclass(slots=True)
class RegisteredType:
    """A workflow or activity type; ``configuration`` holds exactly the defaults that were given."""

    key: TypeKey
    configuration: dict[str, api.Json]
    created_ms: int
    description: str | None = None
    status: str = REGISTERED
    deprecated_ms: int | None = None


class TimeIndex:
    """Executions by (instant, run id), ascending."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, str, int]] = []

    def add(self, ms: int, header: Header) -> None:
        bisect.insort(self._entries, (ms, header.run_id, header.id))

    def remove(self, ms: int, header: Header) -> None:
        entry = (ms, header.run_id, header.id)
        position = bisect.bisect_left(self._entries, entry)
        if position < len(self._entries) and self._entries[position] == entry:
            del self._entries[position]

    def between(self, low: tuple[int, str], high: tuple[int, str], *, newest_first: bool) -> Iterator[int]:
        """Execution ids from ``low`` to ``high`` (both included)."""
        start = bisect.bisect_left(self._entries, (*low, -1))
        stop = bisect.bisect_right(self._entries, (*high, 1 << 62))
        positions = range(stop - 1, start - 1, -1) if newest_first else range(start, stop)
        for position in positions:
            yield self._entries[position][2]


@dataclass(slots=True)
class Domain:
    """A domain with its types and the indexes of its executions."""

    account: str
    name: str
    retention: str
    description: str | None = None
    status: str = REGISTERED
    tags: dict[str, str] = field(default_factory=dict)
    workflow_types: dict[TypeKey, RegisteredType] = field(default_factory=dict)
    activity_types: dict[TypeKey, RegisteredType] = field(default_factory=dict)
    open_by_start: TimeIndex = field(default_factory=TimeIndex, compare=False)
    open_executions: int = 0


class World:
    """The whole state. Commands change it only inside a :class:`~.work.Work`."""

    def __init__(self, limits: Limits, secret: bytes, region: str) -> None:
        self.limits = limits
        self.region = region
        self.tokens = Tokens(secret)
        self.matching = Matching()
        self.deadlines = deadlines.Deadlines(self.instant)
        self.retention = retention.Schedule()
        self.rates = rates.Rates(limits.throttle_scale)
        self.domains: dict[tuple[str, str], Domain] = {}
        self.open: dict[int, Execution] = {}
        self.current: dict[tuple[str, str, str], int] = {}
        self.next_execution_id = 1
        self._sequence = 0

    def domain(self, account: str, name: str) -> Domain:
        """Raises UnknownResourceFault."""
        domain = self.domains.get((account, name))
        if domain is None:
            raise faults.unknown_domain(name)
        return domain

    def domain_of(self, header: Header) -> Domain:
        return self.domains[header.account, header.domain]

    def find_open(self, account: str, domain: str, workflow_id: str, run_id: str | None) -> Execution | None:
        """The open execution with this workflow id, and this run id if given."""
        execution_id = self.current.get((account, domain, workflow_id))
        if execution_id is None:
            return None
        execution = self.open[execution_id]
        return execution if run_id is None or execution.header.run_id == run_id else None

    def sequence(self) -> int:
        """The next place in the order in which tasks become pollable."""
        self._sequence += 1
        return self._sequence

    def instant(self, kind: deadlines.Kind, execution_id: int, reference: int) -> int | None:
        """When a deadline is due; None when it is void."""
        execution = self.open.get(execution_id)
        if execution is None:
            return None
        return deadlines.instant(execution, kind, reference, self.limits.history_events)

    def purge_ms(self, header: Header) -> int:
        """When a closed execution's retention ends: from then on nobody sees it. Retention never changes."""
        assert header.close_ms is not None
        return header.close_ms + times.retention_ms(self.domain_of(header).retention)

    def pollable(self, task: api.TaskRef) -> ListKey | None:
        """The list on which a task may be handed out now; None when it is closed, started or queued behind another."""
        execution = self.open.get(task.execution_id)
        if execution is None or choices.history_full(execution.next_id, self.limits.history_events):
            return None
        header = execution.header
        if task.kind == DECISION:
            decision = execution.decision
            if decision.scheduled_id != task.scheduled_id or decision.started_id:
                return None
            override = decision.override
            name = header.settings.task_list if override is None else override.task_list
            return ListKey(header.account, header.domain, DECISION, name)
        activity = execution.activities.get(task.scheduled_id)
        if activity is None or activity.started_id:
            return None
        return ListKey(header.account, header.domain, ACTIVITY, activity.task_list)

    def add_open(self, execution: Execution) -> None:
        header = execution.header
        domain = self.domain_of(header)
        self.open[header.id] = execution
        self.current[header.account, header.domain, header.workflow_id] = header.id
        domain.open_by_start.add(header.start_ms, header)
        domain.open_executions += 1

    def remove_open(self, header: Header) -> None:
        """It closed. The journal has it from here on."""
        domain = self.domain_of(header)
        del self.open[header.id]
        del self.current[header.account, header.domain, header.workflow_id]
        domain.open_by_start.remove(header.start_ms, header)
        domain.open_executions -= 1
