"""Durable storage: grouped commits on one writer thread, reads beside them (spec/swf-long-poll-scale 6.5)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from elbflow import errors
from elbflow_engine import core
from elbflow_engine.journal import database as databases
from elbflow_engine.journal import rows

MAX_GROUP = 512
_ALL = 2**62

EventReader: TypeAlias = Callable[[int], Sequence[bytes]]
Loader: TypeAlias = Callable[[Iterable[core.Put], EventReader], None]


class CommitFailed(errors.Retryable):
    """The change could not be made durable; it may or may not have happened."""


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
    thread hop per group. When a group fails, it and everything queued behind it fail (later changes build on the
    lost ones), and the journal refuses commits until :meth:`recover` succeeds.
    """

    def __init__(self, database: databases.Database, observer: Observer) -> None:
        self._database = database
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._pending: deque[tuple[Sequence[core.Change], asyncio.Future[None]]] = deque()
        self._flush_due = False
        self._writing = False
        self._failure: CommitFailed | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str | Path, observer: Observer | None = None) -> AsyncIterator[Journal]:
        """Open or create the database at ``path`` (``:memory:`` keeps nothing). Leaving waits for queued commits.

        Raises :class:`JournalUnusable`: damaged file, other schema version, or another engine has it open.
        """
        database = databases.Database(str(path))
        try:
            await database.write(database.open)
            journal = cls(database, observer or _Silent())
            try:
                yield journal
            finally:
                await journal._idle.wait()
        finally:
            await asyncio.shield(database.close())

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

    async def events(self, execution_id: int, first: int, last: int) -> list[bytes]:
        """Committed events ``first`` to ``last`` (both included), ascending. Call it behind a commit or barrier."""
        return await self._database.read(lambda db: rows.read_events(db, execution_id, first, last))

    async def restore(self, load: Loader) -> None:
        """Run ``load(rows, read_events)`` in the reading thread: a pure rebuild may block it, never the loop."""

        def run(db: sqlite3.Connection) -> None:
            load(rows.read_records(db), lambda execution_id: rows.read_events(db, execution_id, 1, _ALL))

        await self._database.read(run)

    async def secret(self) -> bytes:
        """The key of task and page tokens: made once per database, so that tokens survive restarts."""
        return await self._database.write(self._database.secret)

    async def recover(self) -> None:
        """Try to write again after a failure; raises :class:`CommitFailed` while that still fails.

        What was lost stays lost: load a new engine from :meth:`restore` afterwards.
        """
        await self._idle.wait()
        try:
            await self._database.write(self._database.probe)
        except sqlite3.Error as error:
            raise CommitFailed(f"The journal cannot be written: {error}") from error
        self._failure = None

    def _flush(self) -> None:
        self._flush_due = False
        group = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_GROUP))]
        if not group:
            self._idle.set()
            return
        written = [changes for changes, _ in group if changes]
        if not written:
            _resolve(group, None)
            self._flush()
            return
        self._writing = True
        began = self._loop.time()
        done = asyncio.ensure_future(self._database.write(lambda: self._database.commit(written)))
        done.add_done_callback(lambda task: self._written(task, group, began, len(written)))

    def _written(
        self,
        task: asyncio.Task[None],
        group: list[tuple[Sequence[core.Change], asyncio.Future[None]]],
        began: float,
        size: int,
    ) -> None:
        self._writing = False
        error = CommitFailed("The journal was closed") if task.cancelled() else task.exception()
        if error is not None:
            self._failure = CommitFailed(f"The journal cannot be written: {error}")
            group.extend(self._pending)
            self._pending.clear()
        else:
            self._observer.committed(self._loop.time() - began, size)
        _resolve(group, self._failure)
        self._flush()


def _resolve(group: Sequence[tuple[Sequence[core.Change], asyncio.Future[None]]], failure: CommitFailed | None) -> None:
    for _, future in group:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(CommitFailed(str(failure)))
