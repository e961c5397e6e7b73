"""Durability of the engine: what the core decided, in one SQLite file."""

from __future__ import annotations

from elbflow_engine.journal.backup import backup
from elbflow_engine.journal.check import Damaged, Report, examine, verify
from elbflow_engine.journal.journal import ChangeRejected, CommitFailed, Journal, Observer
from elbflow_engine.journal.schema import FILE_NAME, MEMORY, PAGE_BYTES, SCHEMA_VERSION, JournalUnusable

__all__ = [
    "FILE_NAME",
    "MEMORY",
    "PAGE_BYTES",
    "SCHEMA_VERSION",
    "ChangeRejected",
    "CommitFailed",
    "Damaged",
    "Journal",
    "JournalUnusable",
    "Observer",
    "Report",
    "backup",
    "examine",
    "verify",
]
