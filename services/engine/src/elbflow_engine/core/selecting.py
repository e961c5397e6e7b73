"""The filters of lists and counts: what a request selects (spec/swf-semantics 6.3: 27-30)."""

from __future__ import annotations

from elbflow_engine.core import api, faults, members, times
from elbflow_engine.core.queries import Selection
from elbflow_engine.core.world import World

_EXCLUSIVE = ("executionFilter", "typeFilter", "tagFilter", "closeStatusFilter")
_BEYOND_S = 1e12


def open_executions(world: World, account: str, params: api.Object, now_ms: int) -> Selection:
    """Of ListOpen- and CountOpenWorkflowExecutions."""
    return _selection(world, account, params, now_ms, "startTimeFilter")


def closed_executions(world: World, account: str, params: api.Object, now_ms: int) -> Selection:
    """Of ListClosed- and CountClosedWorkflowExecutions: exactly one of the two time filters."""
    given = [name for name in ("startTimeFilter", "closeTimeFilter") if params.get(name) is not None]
    if len(given) == 2:
        raise faults.validation("Cannot specify both a startTimeFilter and a closeTimeFilter")
    if not given:
        raise faults.validation("Must specify time filter")
    return _selection(world, account, params, now_ms, given[0])


def _selection(world: World, account: str, params: api.Object, now_ms: int, filter_name: str) -> Selection:
    _check_exclusive(params)
    oldest_ms, latest_ms = _range(params, filter_name, now_ms)
    domain = world.domain(account, members.text(params, "domain"))
    execution, kind, tag, status = (members.maybe_object(params, name) for name in _EXCLUSIVE)
    return Selection(
        account=account,
        domain=domain.name,
        by_close=filter_name == "closeTimeFilter",
        oldest_ms=oldest_ms,
        latest_ms=latest_ms,
        workflow_id=None if execution is None else members.text(execution, "workflowId"),
        type_name=None if kind is None else members.text(kind, "name"),
        type_version=None if kind is None else members.filled(kind, "version"),
        tag=None if tag is None else members.text(tag, "tag"),
        close_status=None if status is None else members.text(status, "status"),
    )


def _range(params: api.Object, filter_name: str, now_ms: int) -> tuple[int, int]:
    """Our choice: both bounds are included, and a range that ends before it begins is refused (6.3: 27-30)."""
    time_filter = members.required_object(params, filter_name)
    oldest, latest = (members.maybe_number(time_filter, name) for name in ("oldestDate", "latestDate"))
    if oldest is None:
        raise members.missing(f"{filter_name}.oldestDate")
    oldest_ms = _instant(oldest)
    latest_ms = now_ms if latest is None else _instant(latest)
    if latest is not None and oldest_ms > latest_ms:
        raise faults.validation(f"{filter_name}: oldestDate must not be after latestDate")
    return oldest_ms, latest_ms


def _instant(seconds: float) -> int:
    """A filter's bound in milliseconds. JSON numbers may lie beyond anything that fits: before all time or after it."""
    return times.to_ms(max(-_BEYOND_S, min(_BEYOND_S, seconds)))


def _check_exclusive(params: api.Object) -> None:
    given = [name for name in _EXCLUSIVE if params.get(name) is not None]
    if len(given) > 1:
        names = ", ".join(given)
        raise faults.validation(f"Cannot specify more than one exclusive filters in the same query: {names}")
