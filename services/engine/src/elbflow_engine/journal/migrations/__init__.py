"""How the file came to its present form: numbered steps, never changed once released (spec/swf-long-poll-scale 6.11).

A new file takes all of them, an older one those it lacks, so there is one way to each version. Each step is one
transaction with the version it leads to: one that fails leaves the file at the version before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeAlias

from elbflow_engine.journal.migrations import v1, v2

Step: TypeAlias = Callable[[sqlite3.Connection], None]

STEPS: Sequence[Step] = (v1.create, v2.move_closed_executions)
LATEST = len(STEPS)


def migrate(connection: sqlite3.Connection, found: int, steps: Sequence[Step] = STEPS) -> None:
    """Bring a file of version ``found`` (0 = empty) to the latest version.

    Raises what a step raises; the steps before it stay done.
    """
    for version, step in enumerate(steps[found:], start=found + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (str(version),))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
