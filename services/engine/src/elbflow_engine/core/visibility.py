"""Describing, listing and counting executions (spec/swf-semantics 6.3: 25, 27-30).

Open executions are in memory; of closed ones the journal is asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, closed, members, paging, plan, queries, selecting, times
from elbflow_engine.core.model import Execution, Header, type_structure, workflow_execution
from elbflow_engine.core.queries import Position, Selection
from elbflow_engine.core.world import World

_LAST_RUN = "\U0010ffff"


def describe(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """DescribeWorkflowExecution."""
    domain = world.domain(account, members.text(params, "domain"))
    run = members.required_object(params, "execution")
    workflow_id, run_id = members.text(run, "workflowId"), members.text(run, "runId")
    execution = world.find_open(account, domain.name, workflow_id, run_id)
    if execution is not None:
        return _detail(world, execution.header)
    name = queries.ClosedRun(account, domain.name, workflow_id, run_id, now_ms)
    return closed.by_name(name, lambda header: _detail(world, header))


def list_open(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """ListOpenWorkflowExecutions, newest start first."""
    selection = selecting.open_executions(world, account, params, now_ms)
    listing = paging.Listing(world, account, "ListOpenWorkflowExecutions", params, now_ms)
    found = _open(world, selection, newest_first=not listing.reverse, after=_position(listing))
    return listing.page("executionInfos", found, _info, lambda header: _key(selection, header))


def list_closed(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """ListClosedWorkflowExecutions, newest first by the time filter that was given."""
    selection = selecting.closed_executions(world, account, params, now_ms)
    listing = paging.Listing(world, account, "ListClosedWorkflowExecutions", params, now_ms)
    query = queries.ClosedPage(selection, now_ms, not listing.reverse, _position(listing), listing.size + 1)
    return api.Read(
        query,
        lambda rows: listing.page(
            "executionInfos", map(closed.from_row, rows), _info, lambda header: _key(selection, header)
        ),
    )


def count_open(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """CountOpenWorkflowExecutions."""
    selection = selecting.open_executions(world, account, params, now_ms)
    found = _open(world, selection, newest_first=True, after=None)
    return {"count": sum(1 for _ in found), "truncated": False}


def count_closed(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """CountClosedWorkflowExecutions; counting ends at ``Limits.closed_count_cap``."""
    cap = world.limits.closed_count_cap
    query = queries.ClosedCount(selecting.closed_executions(world, account, params, now_ms), now_ms, cap + 1)
    return api.Read(query, lambda count: {"count": min(count, cap), "truncated": count > cap})


def _open(world: World, selection: Selection, *, newest_first: bool, after: Position | None) -> Iterator[Header]:
    """Open executions of a selection, behind ``after``, in order."""
    low, high = (selection.oldest_ms, ""), (selection.latest_ms, _LAST_RUN)
    if after is not None:
        low, high = (low, after) if newest_first else (after, high)
    for execution in _candidates(world, selection, low, high, newest_first=newest_first):
        header = execution.header
        place = (header.start_ms, header.run_id)
        if low <= place <= high and place != after and selection.admits(header):
            yield header


def _candidates(
    world: World, selection: Selection, low: Position, high: Position, *, newest_first: bool
) -> Iterator[Execution]:
    """All executions in question, and perhaps others; of one workflow id at most one is open."""
    domain = world.domains[selection.account, selection.domain]
    if selection.workflow_id is None:
        ids = domain.open_by_start.between(low, high, newest_first=newest_first)
        return (world.open[execution_id] for execution_id in ids)
    execution = world.find_open(selection.account, selection.domain, selection.workflow_id, None)
    return iter(() if execution is None else (execution,))


def _position(listing: paging.Listing) -> Position | None:
    position = listing.position
    return None if position is None else (members.integer(position, "ms"), members.text(position, "run"))


def _key(selection: Selection, header: Header) -> api.Object:
    """Position of an execution in the listing of ``selection``."""
    return {"ms": header.close_ms if selection.by_close else header.start_ms, "run": header.run_id}


def _detail(world: World, header: Header) -> api.Answer:
    detail: dict[str, api.Json] = {
        "executionInfo": _info(header),
        "executionConfiguration": plan.settings_attributes(header.settings),
        "openCounts": _open_counts(world, header),
    }
    if header.latest_activity_ms is not None:
        detail["latestActivityTaskTimestamp"] = times.to_seconds(header.latest_activity_ms)
    if header.latest_context is not None:
        detail["latestExecutionContext"] = header.latest_context
    return detail


def _info(header: Header) -> dict[str, api.Json]:
    info: dict[str, api.Json] = {
        "execution": workflow_execution(header.run),
        "workflowType": type_structure(header.workflow_type),
        "startTimestamp": times.to_seconds(header.start_ms),
        "executionStatus": "OPEN" if header.close_status is None else "CLOSED",
        "cancelRequested": header.cancel_requested,
    }
    if header.close_ms is not None:
        info["closeTimestamp"] = times.to_seconds(header.close_ms)
        info["closeStatus"] = header.close_status
    if header.parent is not None:
        info["parent"] = workflow_execution(header.parent)
    if header.tags is not None:
        info["tagList"] = header.tags
    return info


def _open_counts(world: World, header: Header) -> dict[str, api.Json]:
    execution = world.open.get(header.id)
    counts = dict.fromkeys(("openActivityTasks", "openDecisionTasks", "openTimers", "openChildWorkflowExecutions"), 0)
    if execution is not None:
        counts["openActivityTasks"] = len(execution.activities)
        counts["openDecisionTasks"] = 1 if execution.decision.scheduled_id else 0
        counts["openTimers"] = len(execution.timers)
        counts["openChildWorkflowExecutions"] = len(execution.children)
    return {**counts, "openLambdaFunctions": 0}
