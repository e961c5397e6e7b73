"""What the core asks the journal for: typed questions about what is not in memory (spec/swf-semantics 6.3, 10).

A question is a value; :meth:`Query.run` puts it to a :class:`Store`, whichever one a shell has. Every question must be
asked behind a barrier: after all changes handed out before it are durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

Rows_co = TypeVar("Rows_co", covariant=True)

Position: TypeAlias = tuple[int, str]
"""Of an execution in a listing: instant in milliseconds, run id."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed execution as it is kept: what can be asked for by itself, and the rest of its header as JSON.

    Nobody may see it from ``purge_ms`` on; ``details`` is the core's own.
    """

    execution_id: int
    account: str
    domain: str
    workflow_id: str
    run_id: str
    workflow_type: tuple[str, str]
    start_ms: int
    close_ms: int
    close_status: str
    tags: tuple[str, ...] | None
    events: int
    purge_ms: int
    details: bytes


class Listed(Protocol):
    """What a filter looks at."""

    @property
    def workflow_id(self) -> str: ...
    @property
    def workflow_type(self) -> tuple[str, str]: ...
    @property
    def tags(self) -> Sequence[str] | None: ...
    @property
    def close_status(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which executions of a domain: a time range and at most one exclusive filter (6.3: 27-30).

    The range is of close times if ``by_close``, else of start times; both bounds are included.
    """

    account: str
    domain: str
    by_close: bool
    oldest_ms: int
    latest_ms: int
    workflow_id: str | None = None
    type_name: str | None = None
    type_version: str | None = None
    tag: str | None = None
    close_status: str | None = None

    def admits(self, execution: Listed) -> bool:
        """Whether an execution of this domain and range passes the filter."""
        return (
            self.workflow_id in (None, execution.workflow_id)
            and self.type_name in (None, execution.workflow_type[0])
            and self.type_version in (None, execution.workflow_type[1])
            and self.close_status in (None, execution.close_status)
            and (self.tag is None or self.tag in (execution.tags or ()))
        )


@dataclass(frozen=True, slots=True)
class Expired:
    """Executions whose retention is over, longest first: (execution id, events still stored), and when the next
    retention ends after that, None when there is no more.
    """

    runs: tuple[tuple[int, int], ...]
    next_ms: int | None


class Query(Protocol[Rows_co]):
    """A question about stored rows."""

    def run(self, store: Store) -> Rows_co:
        """Put the question to ``store``. That may wait for a disk: never call this on the event loop."""


class Store(Protocol):
    """Answers questions from what is committed."""

    def events(self, query: Events) -> Sequence[bytes]:
        """Bodies in ascending order of event ids; what is not stored is left out."""

    def closed_run(self, query: ClosedRun) -> Closed | None: ...

    def closed_by_id(self, query: ClosedById) -> Closed | None: ...

    def closed_page(self, query: ClosedPage) -> Sequence[Closed]: ...

    def closed_count(self, query: ClosedCount) -> int: ...

    def retention_over(self, query: RetentionOver) -> Expired: ...


@dataclass(frozen=True, slots=True)
class Events:
    """Events ``first`` to ``last`` (both included) of one execution."""

    execution_id: int
    first: int
    last: int

    def run(self, store: Store) -> Sequence[bytes]:
        return store.events(self)


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """The closed execution with this name that can be seen at ``now_ms``."""

    account: str
    domain: str
    workflow_id: str
    run_id: str
    now_ms: int

    def run(self, store: Store) -> Closed | None:
        return store.closed_run(self)


@dataclass(frozen=True, slots=True)
class ClosedById:
    """The closed execution with this id that can be seen at ``now_ms``."""

    execution_id: int
    now_ms: int

    def run(self, store: Store) -> Closed | None:
        return store.closed_by_id(self)


@dataclass(frozen=True, slots=True)
class ClosedPage:
    """At most ``limit`` closed executions that can be seen at ``now_ms``, in the order of the selection's instants and
    then run ids, descending if ``newest_first``; only those behind ``after``.
    """

    selection: Selection
    now_ms: int
    newest_first: bool
    after: Position | None
    limit: int

    def run(self, store: Store) -> Sequence[Closed]:
        return store.closed_page(self)


@dataclass(frozen=True, slots=True)
class ClosedCount:
    """How many closed executions can be seen at ``now_ms``; counting ends at ``most``."""

    selection: Selection
    now_ms: int
    most: int

    def run(self, store: Store) -> int:
        return store.closed_count(self)


@dataclass(frozen=True, slots=True)
class RetentionOver:
    """The first ``limit`` closed executions whose retention is over at ``now_ms``."""

    now_ms: int
    limit: int

    def run(self, store: Store) -> Expired:
        return store.retention_over(self)
