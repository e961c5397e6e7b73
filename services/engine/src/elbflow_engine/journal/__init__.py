"""Durability of the engine: what the core decided, in one SQLite file."""

from __future__ import annotations

from elbflow_engine.journal.journal import CommitFailed, Journal, Observer
from elbflow_engine.journal.schema import MEMORY, SCHEMA_VERSION, JournalUnusable

__all__ = ["MEMORY", "SCHEMA_VERSION", "CommitFailed", "Journal", "JournalUnusable", "Observer"]
