"""Pages of histories, for decision tasks and for GetWorkflowExecutionHistory (spec/swf-semantics 3.4, 6.3, 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision

Refused = Callable[..., str]


def ids(page: dict[str, Any]) -> list[int]:
    return [event["eventId"] for event in page["events"]]


def get(bench: Bench, run_id: str, **params: Any) -> dict[str, Any]:
    execution = {"workflowId": "w", "runId": run_id}
    page: dict[str, Any] = bench.call("GetWorkflowExecutionHistory", execution=execution, **params)
    return page


def next_page(bench: Bench, token: str, **params: Any) -> dict[str, Any]:
    given = {"taskList": {"name": "main"}} | params
    page: dict[str, Any] = bench.call("PollForDecisionTask", nextPageToken=token, **given)
    return page


def signals(bench: Bench, count: int) -> None:
    for _ in range(count):
        bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")


def close(bench: Bench) -> None:
    bench.call("TerminateWorkflowExecution", workflowId="w")


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_walk(bench: Bench, closed: bool, reverse: bool) -> None:
    run_id = bench.start()
    signals(bench, 5 if closed else 6)
    if closed:
        close(bench)
    pages = [get(bench, run_id, maximumPageSize=3, reverseOrder=reverse)]
    while "nextPageToken" in pages[-1]:
        token = pages[-1]["nextPageToken"]
        pages.append(get(bench, run_id, maximumPageSize=3, reverseOrder=reverse, nextPageToken=token))
    expected = [[1, 2, 3], [4, 5, 6], [7, 8]]
    if reverse:
        expected = [[8, 7, 6], [5, 4, 3], [2, 1]]
    assert [ids(page) for page in pages] == expected


def test_exactly_full_last_page(bench: Bench) -> None:
    run_id = bench.start()
    assert "nextPageToken" not in get(bench, run_id, maximumPageSize=2)
    assert "nextPageToken" not in get(bench, run_id, maximumPageSize=2, reverseOrder=True)


def test_forward_walk_follows_a_live_history_reverse_is_fixed(bench: Bench) -> None:
    run_id = bench.start()
    forward = get(bench, run_id, maximumPageSize=1)["nextPageToken"]
    backward = get(bench, run_id, maximumPageSize=1, reverseOrder=True)["nextPageToken"]
    signals(bench, 2)
    close(bench)
    assert ids(get(bench, run_id, nextPageToken=forward)) == [2, 3, 4, 5]
    assert ids(get(bench, run_id, nextPageToken=backward, reverseOrder=True)) == [1]


def test_pages_are_cut_by_bytes() -> None:
    bench = Bench(core.Limits(history_page_bytes=1000))
    run_id = bench.start()
    for size in (600, 600, 3000, 10):
        bench.call("SignalWorkflowExecution", workflowId="w", signalName="s", input="x" * size)
    for closed in (False, True):
        page = get(bench, run_id)
        sizes = [ids(page)]
        while "nextPageToken" in page:
            page = get(bench, run_id, nextPageToken=page["nextPageToken"])
            sizes.append(ids(page))
        assert sizes[:3] == [[1, 2], [3], [4]]
        assert sizes[3] == [5]
        if not closed:
            close(bench)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        ({"reverseOrder": True}, [[9, 8, 7, 6], [5, 4, 3, 2], [1]]),
        ({"startAtPreviousStartedEvent": True}, [[3, 4, 5, 6], [7, 8, 9]]),
        ({"startAtPreviousStartedEvent": True, "reverseOrder": True}, [[9, 8, 7, 6], [5, 4, 3]]),
    ],
)
def test_pages_of_a_decision_task(
    bench: Bench, closed: bool, params: dict[str, Any], expected: list[list[int]]
) -> None:
    bench.start()
    bench.decide(bench.poll())
    signals(bench, 3)
    page = bench.poll(maximumPageSize=4, **params)
    assert page is not None
    signals(bench, 2)
    if closed:
        close(bench)
    head = {name: value for name, value in page.items() if name not in ("events", "nextPageToken")}
    pages = [page]
    while "nextPageToken" in page:
        page = next_page(bench, page["nextPageToken"], maximumPageSize=4, **params)
        assert head.items() <= page.items()
        pages.append(page)
    assert [ids(page) for page in pages] == expected


def test_a_page_never_starts_a_task(bench: Bench) -> None:
    bench.start()
    page = bench.poll(maximumPageSize=1)
    assert page is not None
    bench.start("v")
    following = next_page(bench, page["nextPageToken"])
    assert following["workflowExecution"]["workflowId"] == "w"
    assert bench.call("CountPendingDecisionTasks", taskList={"name": "main"})["count"] == 1


def test_token_misuse(bench: Bench, refused: Refused) -> None:
    run_id = bench.start()
    polled = bench.poll(maximumPageSize=1)
    assert polled is not None
    poll_token = polled["nextPageToken"]
    get_token = get(bench, run_id, maximumPageSize=1)["nextPageToken"]
    other = bench.start("v")
    cases: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
        (next_page, (get_token,), {}),
        (get, (run_id,), {"nextPageToken": poll_token}),
        (next_page, (poll_token,), {"taskList": {"name": "other"}}),
        (get, (run_id,), {"nextPageToken": get_token, "reverseOrder": True}),
        (get, (run_id,), {"nextPageToken": "garbage"}),
        (get, (run_id,), {"nextPageToken": get_token[:-2]}),
        (get, (run_id,), {"nextPageToken": "ü"}),
    ]
    for call, arguments, params in cases:
        assert refused("ValidationException", call, bench, *arguments, **params) == "Invalid token"
    execution = {"workflowId": "v", "runId": other}
    refused(
        "ValidationException", bench.call, "GetWorkflowExecutionHistory", execution=execution, nextPageToken=get_token
    )


def test_tokens_expire_and_survive_restarts(bench: Bench, refused: Refused) -> None:
    run_id = bench.start(executionStartToCloseTimeout="31536000")
    token = get(bench, run_id, maximumPageSize=1)["nextPageToken"]
    bench.advance(24 * 3600)
    bench.reload()
    assert ids(get(bench, run_id, nextPageToken=token)) == [2]
    bench.advance(1)
    message = refused("ValidationException", get, bench, run_id, nextPageToken=token)
    assert message == "Specified token has exceeded its maximum lifetime"


@pytest.mark.parametrize("size", [-1, 1001])
def test_page_size_is_not_clamped(bench: Bench, refused: Refused, size: int) -> None:
    run_id = bench.start()
    refused("ValidationException", get, bench, run_id, maximumPageSize=size)


def test_unknown_execution(bench: Bench, refused: Refused) -> None:
    bench.start()
    message = refused("UnknownResourceFault", get, bench, "another")
    assert message == "Unknown execution: WorkflowExecution=[workflowId=w, runId=another]"


def test_a_page_of_a_purged_execution(refused: Refused) -> None:
    bench = Bench(retention="0")
    bench.start()
    page = bench.poll(maximumPageSize=1)
    assert page is not None
    bench.decide(page, decision("CompleteWorkflowExecution"))
    bench.purge()
    assert refused("UnknownResourceFault", next_page, bench, page["nextPageToken"]) == "Unknown execution"
    assert refused("UnknownResourceFault", bench.decide, page) == "Unknown execution"


def test_a_walk_backwards_outlives_the_taking_back_of_the_last_event(bench: Bench) -> None:
    """It began at an event that was then taken back with its undelivered task."""
    run_id = bench.start()
    bench.poll()
    page = get(bench, run_id, maximumPageSize=1, reverseOrder=True)
    assert ids(page) == [3]
    undone = bench.engine.undo_handoff(list(bench.handoffs.values())[-1], bench.now)
    assert undone is not None
    bench.commit(undone)
    seen: list[int] = []
    while "nextPageToken" in page:
        page = get(bench, run_id, maximumPageSize=5, reverseOrder=True, nextPageToken=page["nextPageToken"])
        seen += ids(page)
    assert seen == [2, 1]


def test_pages_of_a_task_whose_execution_is_being_purged_are_unknown(refused: Refused) -> None:
    bench = Bench(core.Limits(purge_batch=1, page_token_lifetime_s=10**8))
    bench.start()
    signals(bench, 5)
    task = bench.poll(maximumPageSize=2)
    assert task is not None
    close(bench)
    bench.now += 86_400 * 100
    assert bench.purge_unit()
    assert len(bench.journal.closed()) == 1
    assert "Unknown execution" in refused(
        "UnknownResourceFault", next_page, bench, task["nextPageToken"], maximumPageSize=2
    )
