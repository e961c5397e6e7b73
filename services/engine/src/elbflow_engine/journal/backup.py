"""A consistent copy of a journal, also of one that an engine is writing (spec/swf-long-poll-scale 6.5)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from elbflow_engine.journal import schema

_STEP_PAGES = 1024

Progress: TypeAlias = Callable[[int, int], None]
"""Told pages copied and pages in all, after every few megabytes."""
Verify: TypeAlias = Callable[[Path], None]


def backup(source: Path, target: Path, verify: Verify, progress: Progress) -> None:
    """Copy the journal ``source`` to ``target``: what is committed at one instant, in one file of mode 0600.

    The engine goes on meanwhile; it only cannot shorten its log. The copy gets its name when it is complete, on the
    disk and ``verify`` has accepted it (by not raising): until then, and after a failure, there is no ``target``.
    Raises ``FileExistsError`` when it exists already, ``OSError``, :class:`sqlite3.Error`,
    :class:`schema.JournalUnusable` and what ``verify`` raises. Killed, it leaves a file ``.NAME.*.partial``.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already")
    partial = _create_beside(target)
    try:
        _copy(source, partial, progress)
        verify(partial)
        _flush(partial)
        _name(partial, target)
    finally:
        for leftover in (partial, *(partial.with_name(partial.name + end) for end in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)
    _flush(target.parent)


def _create_beside(target: Path) -> Path:
    """An empty file of mode 0600 in the same directory, so that naming it is one step."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(descriptor)
    return Path(name)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    with contextlib.closing(schema.open_snapshot(source)) as read, contextlib.closing(sqlite3.connect(target)) as write:
        read.backup(write, pages=_STEP_PAGES, progress=lambda _, left, total: progress(total - left, total))
        # One file: a copy in WAL mode would need its log beside it as soon as somebody looks into it.
        write.execute("PRAGMA journal_mode=DELETE")


def _name(partial: Path, target: Path) -> None:
    """Give the finished copy its name, unless somebody else took that meanwhile."""
    try:
        os.link(partial, target)
    except FileExistsError as error:
        raise FileExistsError(f"{target} exists already") from error
    except OSError:  # a file system without links
        partial.rename(target)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
