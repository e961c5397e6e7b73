"""Pages of histories: for decision tasks and for GetWorkflowExecutionHistory (spec/swf-semantics 3.4, 6.3: 26).

A page is first described as a :class:`_Window`. For an open execution it is filled from memory at once; for a closed
one its events are read from the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from elbflow_engine.core import api, closed, faults, members, model, paging, queries
from elbflow_engine.core.model import DECISION, Header
from elbflow_engine.core.tokens import TaskToken
from elbflow_engine.core.world import World

_GET = "GetWorkflowExecutionHistory"
_POLL = "PollForDecisionTask"


@dataclass(frozen=True, slots=True)
class _Window:
    """Events ``first``..``last`` (both included) of one execution and how to go on behind them."""

    header: Header
    first: int
    last: int
    reverse: bool
    head: api.Object
    token: api.Object = field(repr=False)


def of_execution(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """GetWorkflowExecutionHistory. A forward walk follows a live history; a reverse walk is fixed at its first page."""
    domain = world.domain(account, members.text(params, "domain"))
    run = members.required_object(params, "execution")
    workflow_id, run_id = members.text(run, "workflowId"), members.text(run, "runId")
    execution = world.find_open(account, domain.name, workflow_id, run_id)
    if execution is not None:
        return _of(world, execution.header, params, now_ms)
    name = queries.ClosedRun(account, domain.name, workflow_id, run_id, now_ms)
    return closed.by_name(name, lambda header: _of(world, header, params, now_ms))


def _of(world: World, header: Header, params: api.Object, now_ms: int) -> api.Answer:
    reverse = members.flag(params, "reverseOrder")
    scope: dict[str, api.Json] = {"account": header.account, "id": header.id, "reverse": reverse}
    position = paging.position(world, _GET, scope, params, now_ms)
    newest = _length(world, header)
    first, last = 1, newest
    if position is not None:
        first, last = members.integer(position, "first"), members.integer(position, "last") or newest
    walk: dict[str, api.Json] = {
        "operation": _GET,
        "scope": scope,
        "position": {"first": first, "last": last if reverse else 0},
        "issued_ms": now_ms,
    }
    return _page(world, header, (first, last), reverse, paging.size(params), {}, walk)


def of_decision_task(world: World, header: Header, task: TaskToken, params: api.Object, now_ms: int) -> api.Answer:
    """The first page for the poll that has just started ``task``."""
    previous = world.open[header.id].decision.previous_started_id
    from_previous = members.flag(params, "startAtPreviousStartedEvent") and previous
    position: dict[str, api.Json] = {
        "id": header.id,
        "scheduled": task.scheduled_id,
        "started": task.started_id,
        "previous": previous,
        "reverse": members.flag(params, "reverseOrder"),
        "first": previous if from_previous else 1,
        "last": task.started_id,
    }
    return _decision_page(world, header, position, params, now_ms)


def next_of_decision_task(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """PollForDecisionTask with a page token: the same task, the next page, never a new task."""
    world.domain(account, members.text(params, "domain"))
    position = paging.position(world, _POLL, _poll_scope(account, params), params, now_ms)
    assert position is not None, "only polls with a page token come here"
    where, execution_id = position, members.integer(position, "id")
    execution = world.open.get(execution_id)
    if execution is not None:
        return _decision_page(world, execution.header, position, params, now_ms)
    return closed.by_id(
        execution_id, account, now_ms, lambda header: _decision_page(world, header, where, params, now_ms)
    )


def _fill(world: World, window: _Window, events: Sequence[bytes]) -> api.HistoryPage:
    """Cut the events of a window at the size limit and mint the token of what remains."""
    if len(events) != max(0, window.last - window.first + 1):  # its retention ended while the journal was read
        raise faults.unknown_execution(*window.header.run)
    ordered = list(reversed(events)) if window.reverse else list(events)
    room = world.limits.history_page_bytes
    taken = 0
    for event in ordered:
        room -= len(event)
        if room < 0 and taken:
            break
        taken += 1
    return api.HistoryPage(window.head, tuple(ordered[:taken]), _next_token(world, window, taken))


def _decision_page(
    world: World, header: Header, position: dict[str, api.Json], params: api.Object, now_ms: int
) -> api.Answer:
    scheduled, started = members.integer(position, "scheduled"), members.integer(position, "started")
    head: dict[str, api.Json] = {
        "taskToken": world.tokens.task(TaskToken(DECISION, header.id, scheduled, started)),
        "startedEventId": started,
        "previousStartedEventId": position["previous"],
        "workflowExecution": model.workflow_execution(header.run),
        "workflowType": model.type_structure(header.workflow_type),
    }
    walk: dict[str, api.Json] = {
        "operation": _POLL,
        "scope": _poll_scope(header.account, params),
        "position": position,
        "issued_ms": now_ms,
    }
    bounds = members.integer(position, "first"), members.integer(position, "last")
    reverse = members.flag(position, "reverse")
    return _page(world, header, bounds, reverse, paging.size(params), head, walk)


def _page(
    world: World,
    header: Header,
    bounds: tuple[int, int],
    reverse: bool,
    size: int,
    head: api.Object,
    walk: api.Object,
) -> api.Answer:
    """The page at the near end of ``bounds``, from memory if the execution is open, else from the journal.

    Since the walk began its last event may have been taken back with an undelivered task (4.2).
    """
    first, last = bounds[0], min(bounds[1], _length(world, header))
    page = (max(first, last - size + 1), last) if reverse else (first, min(last, first + size - 1))
    token = {**walk, "bounds": (first, last)}
    window = _Window(header, page[0], page[1], reverse, head, token)
    execution = world.open.get(header.id)
    if execution is None:
        query = queries.Events(header.id, window.first, window.last)
        return api.Read(query, lambda events: _fill(world, window, events))
    return _fill(world, window, execution.events[window.first - 1 : window.last])


def _next_token(world: World, window: _Window, taken: int) -> str | None:
    bounds = window.token["bounds"]
    assert isinstance(bounds, tuple)
    first, last = bounds
    if window.reverse:
        last = window.last - taken
    else:
        first = window.first + taken
    if first > last:
        return None
    walk = window.token
    position = dict(members.required_object(walk, "position"))
    position["first"] = first
    if position["last"]:
        position["last"] = last
    operation, scope = members.text(walk, "operation"), members.required_object(walk, "scope")
    return world.tokens.page(operation, scope, position, members.integer(walk, "issued_ms"))


def _length(world: World, header: Header) -> int:
    execution = world.open.get(header.id)
    return header.events if execution is None else len(execution.events)


def _poll_scope(account: str, params: api.Object) -> dict[str, api.Json]:
    return {
        "account": account,
        "domain": members.text(params, "domain"),
        "list": members.list_name(params),
    }
