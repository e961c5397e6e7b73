"""The journal in memory and the one on SQLite answer every question about closed executions alike (6.3, 10)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from elbflow_engine import core
from elbflow_engine.journal import migrations, reading, rows
from elbflow_engine.testing import MemoryJournal

few_ms = st.integers(0, 6)
names = st.sampled_from(["a", "b", "é"])
tags = st.sampled_from(["", "x", "xy", "x\0", "\U0010ffff", "ÿ"])
statuses = st.sampled_from(["COMPLETED", "FAILED"])


@st.composite
def closed_executions(draw: st.DrawFn) -> list[core.Closed]:
    """Few instants, so that many are equal; run ids in no order."""
    run_ids = draw(st.lists(st.text("AZaz09+/", min_size=1, max_size=3), unique=True, max_size=12))
    return [draw(closed_execution(number, run_id)) for number, run_id in enumerate(run_ids, start=1)]


@st.composite
def closed_execution(draw: st.DrawFn, number: int, run_id: str) -> core.Closed:
    start_ms = draw(few_ms)
    close_ms = start_ms + draw(few_ms)
    return core.Closed(
        execution_id=number,
        account=draw(st.sampled_from(["1", "1@eu"])),
        domain=draw(st.sampled_from(["d", "e"])),
        workflow_id=draw(names),
        run_id=run_id,
        workflow_type=(draw(names), draw(st.sampled_from(["1", "2"]))),
        start_ms=start_ms,
        close_ms=close_ms,
        close_status=draw(statuses),
        tags=draw(st.none() | st.lists(tags, max_size=3).map(tuple)),
        events=number % 4,
        purge_ms=close_ms + draw(few_ms),
        details=b"{}",
    )


@st.composite
def selections(draw: st.DrawFn) -> core.Selection:
    """A range and at most one filter."""
    oldest_ms = draw(few_ms)
    exclusive: dict[str, str | None] = draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries({"workflow_id": names}),
            st.fixed_dictionaries({"type_name": names, "type_version": st.none() | st.just("1")}),
            st.fixed_dictionaries({"tag": tags}),
            st.fixed_dictionaries({"close_status": statuses}),
        )
    )
    by_close, latest_ms = draw(st.booleans()), oldest_ms + draw(few_ms)
    return core.Selection("1", "d", by_close, oldest_ms, latest_ms, **exclusive)


class Twins:
    """Both journals with the same contents."""

    def __init__(self, executions: Sequence[core.Closed]) -> None:
        self.memory = MemoryJournal()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        migrations.migrate(self.connection, 0)
        for row in executions:
            self.apply(core.Append(row.execution_id, 1, (b"event",) * row.events))
        self.apply(*(core.Close(row) for row in executions))

    def apply(self, *changes: core.Change) -> None:
        self.memory.apply(changes)
        rows.write_group(self.connection, [changes])

    def same(self, query: core.ClosedCount | core.ClosedRun | core.ClosedById | core.RetentionOver) -> object:
        found = self.memory.read(query)
        assert query.run(reading.Reader(self.connection)) == found
        return found

    def page(self, query: core.ClosedPage) -> Sequence[core.Closed]:
        found = self.memory.read(query)
        assert list(query.run(reading.Reader(self.connection))) == found
        return found


def key(row: core.Closed, *, by_close: bool) -> core.Position:
    return row.close_ms if by_close else row.start_ms, row.run_id


@settings(max_examples=150)
@given(executions=closed_executions(), selection=selections(), now_ms=few_ms, size=st.integers(1, 4))
def test_lists_and_counts(executions: list[core.Closed], selection: core.Selection, now_ms: int, size: int) -> None:
    twins, by_close = Twins(executions), selection.by_close
    expected = sorted(
        (
            row
            for row in executions
            if (row.account, row.domain) == ("1", "d")
            and selection.oldest_ms <= key(row, by_close=by_close)[0] <= selection.latest_ms
            and row.purge_ms > now_ms
            and selection.admits(row)
        ),
        key=lambda row: key(row, by_close=by_close),
    )
    for newest_first in (False, True):
        walked: list[core.Closed] = []
        after: core.Position | None = None
        while page := twins.page(core.ClosedPage(selection, now_ms, newest_first, after, size)):
            walked += page
            after = key(page[-1], by_close=by_close)
        assert walked == (expected[::-1] if newest_first else expected)
    assert twins.same(core.ClosedCount(selection, now_ms, most=100)) == len(expected)
    assert twins.same(core.ClosedCount(selection, now_ms, most=2)) == min(2, len(expected))


@settings(max_examples=100)
@given(executions=closed_executions(), now_ms=few_ms, room=st.integers(2, 6))
def test_names_ids_and_the_end_of_retention(executions: list[core.Closed], now_ms: int, room: int) -> None:
    twins = Twins(executions)
    check_each(twins, executions, now_ms)
    engine = core.Engine(core.Limits(purge_batch=room), b"secret")
    units = 0
    while (question := engine.retention_over(now_ms / 1000)) is not None:
        found = twins.memory.read(question)
        assert found == twins.same(core.RetentionOver(now_ms, room))
        changes = engine.purge(found).changes
        assert sum(cost(change, dict(found.runs)) for change in changes) <= room
        twins.apply(*changes)
        check_each(twins, executions, now_ms)
        units += 1
    assert units <= 1 + sum(row.events + 1 for row in executions)
    left = [row for row in executions if row.purge_ms > now_ms]
    assert list(twins.memory.closed()) == left
    (stored,) = twins.connection.execute("SELECT count(*) FROM closed").fetchone()
    assert stored == len(left)
    (events,) = twins.connection.execute("SELECT count(*) FROM event").fetchone()
    assert events == sum(row.events for row in left)


def cost(change: core.Change, stored: dict[int, int]) -> int:
    """Rows that a purge touches."""
    assert isinstance(change, core.Purge)
    return stored[change.execution_id] - change.last_event_id + 1


def check_each(twins: Twins, executions: list[core.Closed], now_ms: int) -> None:
    for row in executions:
        seen = row if row.purge_ms > now_ms else None
        name = core.ClosedRun(row.account, row.domain, row.workflow_id, row.run_id, now_ms)
        assert twins.same(name) == seen
        assert twins.same(core.ClosedById(row.execution_id, now_ms)) == seen
        assert twins.same(core.ClosedRun(row.account, "f", row.workflow_id, row.run_id, now_ms)) is None
