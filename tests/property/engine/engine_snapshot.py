"""What an engine knows, to be compared before and after a crash or a refused command."""

from __future__ import annotations

from typing import Any

from elbflow_engine import core


def snapshot(engine: core.Engine) -> dict[str, Any]:
    """Everything that is not a parked poll."""
    world = engine._world
    live = {}
    for entry in world.deadlines._heap:
        at_ms = world.instant(entry.kind, entry.execution_id, entry.reference)
        if at_ms is not None:
            live[entry.kind, entry.execution_id, entry.reference] = at_ms
    return {
        "domains": world.domains,
        "open": world.open,
        "current": world.current,
        "next": world.next_execution_id,
        "deadlines": live,
        "ready": world.matching.ready_tasks(),
    }
