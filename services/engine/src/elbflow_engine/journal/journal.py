"""Durable storage: grouped commits on one writer thread, reads beside them (spec/swf-long-poll-scale 6.5)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from elbflow import errors
from elbflow_engine import core
from elbflow_engine.journal import database as databases
from elbflow_engine.journal import reading, rows, schema

MAX_GROUP = 512
_ALL = 2**62

EventReader: TypeAlias = Callable[[int], Sequence[bytes]]
Rows = TypeVar("Rows")
_Waiting: TypeAlias = tuple[Sequence[core.Change], asyncio.Future[None]]
Loader: TypeAlias = Callable[[Iterable[core.Put], EventReader], None]


class CommitFailed(errors.Retryable):
    """The change could not be made durable; it may or may not have happened."""


class ChangeRejected(errors.Defect):
    """This change cannot be stored although others can; nothing of it happened."""


class Observer(Protocol):
    """Told about each commit."""

    def committed(self, seconds: float, group_size: int) -> None:
        """A group of ``group_size`` transitions became durable in ``seconds``."""


class _Silent:
    def committed(self, seconds: float, group_size: int) -> None:
        """Nobody asked."""


class Journal:
    """One database file with one writer. Open it with :meth:`open`.

    :meth:`commit` never waits: whatever is handed in while a commit runs goes into the next one, in order, with one
    thread hop per group, and none in memory. When the disk fails a group (full, broken), it fails with
    :class:`CommitFailed`. When one of its changes is at fault, they are tried once more one by one: those before it
    become durable, it alone fails with :class:`ChangeRejected`. Either way everything behind fails too, for later
    changes build on the lost ones, and the journal refuses commits until :meth:`recover` succeeds.
    """

    def __init__(self, database: databases.Database, observer: Observer) -> None:
        self._database = database
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._pending: deque[_Waiting] = deque()
        self._flush_due = False
        self._writing = False
        self._flushing = False
        self._failure: CommitFailed | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        path: str | Path,
        observer: Observer | None = None,
        *,
        database: Callable[[str], databases.Database] = databases.Database,
    ) -> AsyncIterator[Journal]:
        """Open or create the database at ``path`` (``:memory:`` keeps nothing). Leaving waits for queued commits.

        ``database`` makes the storage behind it; tests give one that fails or dawdles.
        Raises :class:`JournalUnusable`: damaged file, other schema version, or another engine has it open.
        """
        opened = database(str(path))
        try:
            await opened.write(opened.open)
            journal = cls(opened, observer or _Silent())
            try:
                yield journal
            finally:
                await journal._idle.wait()
        finally:
            await asyncio.shield(opened.close())

    @property
    def settled(self) -> bool:
        """True when nothing is queued or being written."""
        return self._idle.is_set()

    @property
    def failed(self) -> bool:
        """True from the first failed commit until :meth:`recover` succeeded."""
        return self._failure is not None

    def commit(self, changes: Sequence[core.Change]) -> asyncio.Future[None]:
        """Queue ``changes`` as one atomic unit; the future resolves once they and all earlier ones are durable.

        Without changes it is a barrier. The future raises :class:`CommitFailed`; cancelling it does not take the
        changes back.
        """
        future = self._loop.create_future()
        if self._failure is not None:
            future.set_exception(CommitFailed(str(self._failure)))
        elif not changes and self.settled:
            future.set_result(None)
        else:
            self._pending.append((changes, future))
            self._idle.clear()
            if not self._writing and not self._flush_due:
                self._flush_due = True
                self._loop.call_soon(self._flush)
        return future

    async def read(self, query: core.Query[Rows]) -> Rows:
        """Answer a question of the core from what is committed, in a reading thread. Call it behind a barrier.

        Lists and counts, which may go through all closed executions, do not delay the other questions.
        """
        scan = isinstance(query, core.ClosedPage | core.ClosedCount)
        return await self._database.read(lambda db: query.run(reading.Reader(db)), scan=scan)

    async def restore(self, load: Loader) -> None:
        """Run ``load(rows, read_events)`` in the reading thread: a pure rebuild may block it, never the loop.

        Raises :class:`JournalUnusable` when what is stored cannot be loaded.
        """

        def run(db: sqlite3.Connection) -> None:
            load(rows.read_records(db), lambda execution_id: rows.read_events(db, execution_id, 1, _ALL))

        try:
            await self._database.read(run)
        except Exception as error:
            raise schema.JournalUnusable(f"The journal cannot be loaded: {error!r}") from error

    async def secret(self) -> bytes:
        """The key of task and page tokens: made once per database, so that tokens survive restarts."""
        return await self._database.write(self._database.secret)

    async def quiet(self) -> None:
        """Wait until nothing is queued or being written: what was handed in is durable or lost."""
        await self._idle.wait()

    async def recover(self) -> None:
        """Try to write again after a failure; raises :class:`CommitFailed` while that still fails.

        What was lost stays lost: continue with an engine that was loaded by :meth:`restore` after the failure.
        """
        await self.quiet()
        try:
            await self._database.write(self._database.probe)
        except sqlite3.Error as error:
            raise CommitFailed(f"The journal cannot be written: {error}") from error
        self._failure = None

    def _flush(self) -> None:
        """Write what waits, group by group, until one takes its time: its end goes on with the rest.

        In memory none does. However many there are, each ends before the next one begins, and not inside it.
        """
        self._flush_due = False
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._pending and not self._writing:
                self._write([self._pending.popleft() for _ in range(min(len(self._pending), MAX_GROUP))])
        finally:
            self._flushing = False
        if not self._writing:
            self._idle.set()

    def _write(self, group: list[_Waiting]) -> None:
        written = [changes for changes, _ in group if changes]
        if not written:
            _resolve(group, None)
            return
        self._writing = True
        began = time.perf_counter()
        self._start(
            lambda: self._database.commit(written),
            lambda error: self._written(error, group, began, len(written)),
        )

    def _start(self, work: Callable[[], None], ended: Callable[[BaseException | None], None]) -> None:
        """Do ``work`` in the writer's thread. When even that cannot begin, the group has failed like any other."""
        try:
            self._database.start(work, ended)
        except Exception as error:
            refused = OSError(f"the writer cannot be started: {error}")
            refused.__cause__ = error
            ended(refused)

    def _written(self, error: BaseException | None, group: list[_Waiting], began: float, size: int) -> None:
        if error is not None and size > 1 and not _is_storage(error):
            self._retry(group)
            return
        if error is None:
            try:
                self._observer.committed(time.perf_counter() - began, size)
            finally:
                self._conclude(group, [], None)
        else:
            self._conclude([], group, error)

    def _retry(self, group: list[_Waiting]) -> None:
        """Once more, one by one and in order, up to the first that fails again (spec/swf-long-poll-scale 6.5)."""
        tried: list[_Waiting] = []

        def work() -> None:
            for waiting in group:
                if waiting[0]:
                    self._database.commit([waiting[0]])
                tried.append(waiting)

        self._start(work, lambda error: self._conclude(tried, group[len(tried) :], error))

    def _conclude(self, durable: list[_Waiting], lost: list[_Waiting], error: BaseException | None) -> None:
        """Tell everybody of a group how it ended; ``error`` struck the first of the ``lost``, or the first change."""
        self._writing = False
        _resolve(durable, None)
        if error is not None:
            self._failure = CommitFailed(f"The journal cannot be written: {error}")
            if not _is_storage(error):
                ahead = next((number for number, (changes, _) in enumerate(lost) if changes), 0)
                lost.insert(0, lost.pop(ahead))
                _resolve(lost[:1], ChangeRejected(f"A change cannot be stored: {error!r}"))
            lost.extend(self._pending)
            self._pending.clear()
            _resolve(lost, self._failure)
        self._flush()


def _is_storage(error: BaseException) -> bool:
    """Whether the file, the disk or the machine is at fault, not what was to be written."""
    return isinstance(error, sqlite3.OperationalError | OSError | MemoryError) or type(error) is sqlite3.DatabaseError


def _resolve(group: Sequence[_Waiting], failure: errors.ElbflowError | None) -> None:
    for _, future in group:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(type(failure)(str(failure)))
