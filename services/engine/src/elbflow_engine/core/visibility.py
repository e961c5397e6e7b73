"""Describing, listing and counting executions (spec/swf-semantics 6.3: 25, 27-30)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, faults, members, paging, plan, times
from elbflow_engine.core.model import Header, type_structure, workflow_execution
from elbflow_engine.core.world import Domain, TimeIndex, World

_EXCLUSIVE = ("executionFilter", "typeFilter", "tagFilter", "closeStatusFilter")
_LAST_RUN = "\U0010ffff"
_BEYOND_S = 1e12


def describe(world: World, account: str, params: api.Object, _now_ms: int) -> api.Answer:
    """DescribeWorkflowExecution."""
    domain = world.domain(account, members.text(params, "domain"))
    run = members.required_object(params, "execution")
    workflow_id, run_id = members.text(run, "workflowId"), members.text(run, "runId")
    execution_id = world.runs.get((account, domain.name, workflow_id, run_id))
    header = None if execution_id is None else world.header(execution_id)
    if header is None:
        raise faults.unknown_execution(workflow_id, run_id)
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


def list_open(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """ListOpenWorkflowExecutions, newest start first."""
    return _list(world, account, "ListOpenWorkflowExecutions", params, now_ms, is_open=True)


def list_closed(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """ListClosedWorkflowExecutions, newest first by the time filter that was given."""
    return _list(world, account, "ListClosedWorkflowExecutions", params, now_ms, is_open=False)


def count_open(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """CountOpenWorkflowExecutions."""
    return _count(world, account, params, now_ms, is_open=True)


def count_closed(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """CountClosedWorkflowExecutions."""
    return _count(world, account, params, now_ms, is_open=False)


class _Query:
    """The filters of one request over one index."""

    def __init__(self, world: World, account: str, params: api.Object, now_ms: int, *, is_open: bool) -> None:
        filter_name = "startTimeFilter" if is_open else _closed_filter(params)
        _check_exclusive(params)
        time_filter = members.required_object(params, filter_name)
        oldest, latest = (members.maybe_number(time_filter, name) for name in ("oldestDate", "latestDate"))
        if oldest is None:
            raise members.missing(f"{filter_name}.oldestDate")
        self._low = _instant(oldest)
        self._high = now_ms if latest is None else _instant(latest)
        if latest is not None and self._low > self._high:
            raise faults.validation(f"{filter_name}: oldestDate must not be after latestDate")
        self._world = world
        self._params = params
        self._by_close = filter_name == "closeTimeFilter"
        domain = world.domain(account, members.text(params, "domain"))
        self._index = _index(domain, is_open=is_open, by_close=self._by_close)

    def ms(self, header: Header) -> int:
        """The instant this query sorts by."""
        if not self._by_close:
            return header.start_ms
        assert header.close_ms is not None
        return header.close_ms

    def run(self, *, newest_first: bool, position: api.Object | None) -> Iterator[Header]:
        """Matching executions after ``position``."""
        low, high = (self._low, ""), (self._high, _LAST_RUN)
        after = None
        if position is not None:
            after = members.integer(position, "ms"), members.text(position, "run")
            low, high = (low, after) if newest_first else (after, high)
        for execution_id in self._index.between(low, high, newest_first=newest_first):
            header = self._world.header(execution_id)
            assert header is not None
            if (self.ms(header), header.run_id) != after and self._matches(header):
                yield header

    def _matches(self, header: Header) -> bool:
        params = self._params
        execution = members.maybe_object(params, "executionFilter")
        if execution is not None and execution["workflowId"] != header.workflow_id:
            return False
        by_type = members.maybe_object(params, "typeFilter")
        if by_type is not None:
            version = members.filled(by_type, "version")
            if by_type["name"] != header.workflow_type[0] or version not in (None, header.workflow_type[1]):
                return False
        tag = members.maybe_object(params, "tagFilter")
        if tag is not None and tag["tag"] not in (header.tags or ()):
            return False
        status = members.maybe_object(params, "closeStatusFilter")
        return status is None or status["status"] == header.close_status


def _instant(seconds: float) -> int:
    """A filter's bound in milliseconds. JSON numbers may lie beyond anything that fits: before all time or after it."""
    return times.to_ms(max(-_BEYOND_S, min(_BEYOND_S, seconds)))


def _list(world: World, account: str, operation: str, params: api.Object, now_ms: int, *, is_open: bool) -> api.Answer:
    query = _Query(world, account, params, now_ms, is_open=is_open)
    listing = paging.Listing(world, account, operation, params, now_ms)
    found = query.run(newest_first=not listing.reverse, position=listing.position)
    return listing.page("executionInfos", found, _info, lambda header: {"ms": query.ms(header), "run": header.run_id})


def _count(world: World, account: str, params: api.Object, now_ms: int, *, is_open: bool) -> api.Answer:
    query = _Query(world, account, params, now_ms, is_open=is_open)
    return {"count": sum(1 for _ in query.run(newest_first=True, position=None)), "truncated": False}


def _index(domain: Domain, *, is_open: bool, by_close: bool) -> TimeIndex:
    if is_open:
        return domain.open_by_start
    return domain.closed_by_close if by_close else domain.closed_by_start


def _closed_filter(params: api.Object) -> str:
    given = [name for name in ("startTimeFilter", "closeTimeFilter") if params.get(name) is not None]
    if len(given) == 2:
        raise faults.validation("Cannot specify both a startTimeFilter and a closeTimeFilter")
    if not given:
        raise faults.validation("Must specify time filter")
    return given[0]


def _check_exclusive(params: api.Object) -> None:
    given = [name for name in _EXCLUSIVE if params.get(name) is not None]
    if len(given) > 1:
        names = ", ".join(given)
        raise faults.validation(f"Cannot specify more than one exclusive filters in the same query: {names}")


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
