"""The heap of deadlines (spec/swf-long-poll-scale 6.6)."""

from __future__ import annotations

from elbflow_engine.core.deadlines import Deadlines, Kind


def test_void_deadlines_do_not_pile_up_until_their_instant() -> None:
    """Every closed execution left its year-long timeout behind, and every finished activity its own."""
    live: dict[int, int] = {}
    deadlines = Deadlines(lambda _kind, execution_id, _reference: live.get(execution_id))
    for execution_id in range(50_000):
        live[execution_id] = 10_000_000 + execution_id
        deadlines.watch(Kind.EXECUTION, execution_id)
        if execution_id >= 10:
            del live[execution_id - 10]
    assert len(deadlines) <= 4_096
    due = [deadline.execution_id for deadline in iter(lambda: deadlines.pop_due(20_000_000), None)]
    assert due == sorted(live)
