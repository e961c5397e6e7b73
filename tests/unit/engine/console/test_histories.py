"""Reading and following histories, with an engine that only serves pages of a list."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from elbflow_engine import core, refusals
from elbflow_engine.console import asked, events, histories, live, rendering, timeline, watching
from elbflow_engine.console.views import execution

RUN = histories.Run("1", "house", "w", "r")
PLACE = execution.Place(RUN, newest_first=False, first=None, window=False)


class Pages:
    """Serves GetWorkflowExecutionHistory and DescribeWorkflowExecution of one execution."""

    def __init__(self, history: list[dict[str, Any]], page: int = 1000) -> None:
        self.history = history
        self.page = page
        self.problem: Exception | None = None
        self.calls = 0

    def now_ms(self) -> int:
        return 1_700_000_900_000

    async def raw(self, _owner: str, operation: str, params: core.Object) -> bytes:
        self.calls += 1
        if self.problem is not None:
            raise self.problem
        if operation == "DescribeWorkflowExecution":
            return orjson.dumps(DETAIL)
        size = min(int(str(params["maximumPageSize"])), self.page)
        ordered = self.history[::-1] if params.get("reverseOrder") else self.history
        begin = int(str(params.get("nextPageToken", 0)))
        answer: dict[str, Any] = {"events": ordered[begin : begin + size]}
        if begin + size < len(ordered):
            answer["nextPageToken"] = str(begin + size)
        return orjson.dumps(answer)

    async def call(self, owner: str, operation: str, params: core.Object) -> Any:
        return orjson.loads(await self.raw(owner, operation, params))


DETAIL = {
    "executionInfo": {
        "workflowType": {"name": "order", "version": "1"},
        "startTimestamp": 1_700_000_000.0,
        "executionStatus": "OPEN",
        "cancelRequested": False,
    },
    "executionConfiguration": {
        "taskList": {"name": "main"},
        "executionStartToCloseTimeout": "60",
        "taskStartToCloseTimeout": "NONE",
        "childPolicy": "TERMINATE",
    },
    "openCounts": {"openTimers": 0},
}


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, "console") as made:
        yield made


def reader_of(pages: Any, worker: ThreadPoolExecutor) -> histories.Reader:
    return histories.Reader(pages, worker)


async def test_a_whole_history_is_read_and_only_what_is_shown_is_kept(scribe: Any, worker: ThreadPoolExecutor) -> None:
    for number in range(2_345):
        scribe.add(number, "MarkerRecorded", markerName=f"m{number}", details="x" * 100)
    history = await reader_of(Pages(scribe.events), worker).read(RUN, range(2_000, 2_100))
    assert [event.id for event in history.all] == list(range(1, 2_347))
    assert [event["eventId"] for event in history.shown] == list(range(2_000, 2_100))
    assert "details" not in history.all[5].words
    assert history.newest == 2_346


async def test_following_brings_only_what_is_new(scribe: Any, worker: ThreadPoolExecutor) -> None:
    pages = Pages(scribe.events)
    reader = reader_of(pages, worker)
    known = (await reader.read(RUN, range(0))).all
    assert await reader.follow(RUN, known, 100) == []
    scribe.activity(1, 2, 3)
    fresh = await reader.follow(RUN, known, 100)
    assert fresh is not None
    assert [event["eventId"] for event in fresh] == [2, 3, 4]
    assert known == events.digests(pages.history)


async def test_a_started_task_that_was_taken_back_is_forgotten(scribe: Any, worker: ThreadPoolExecutor) -> None:
    scribe.activity(1, 2, None)
    pages = Pages(scribe.events)
    reader = reader_of(pages, worker)
    known = (await reader.read(RUN, range(0))).all
    assert await reader.follow(RUN, known, 100) == []
    taken_back = scribe.events.pop()
    assert taken_back["eventType"] == "ActivityTaskStarted"
    assert await reader.follow(RUN, known, 100) == []
    assert [event.id for event in known] == [1, 2]
    scribe.events.append(taken_back)
    await reader.follow(RUN, known, 100)
    scribe.events.pop()
    scribe.add(4, "WorkflowExecutionSignaled", signalName="s")
    fresh = await reader.follow(RUN, known, 100)
    assert fresh is not None
    assert [event["eventType"] for event in fresh] == ["WorkflowExecutionSignaled"]
    assert known == events.digests(scribe.events)


async def test_too_many_new_events_are_not_told_one_by_one(scribe: Any, worker: ThreadPoolExecutor) -> None:
    pages = Pages(scribe.events)
    watch = watching.ExecutionWatch(pages, reader_of(pages, worker), rendering.Renderer(), PLACE, after=1)  # type: ignore[arg-type]
    first = await watch.look()
    assert [message.body["id"] for message in first] == ["facts", "picture"]
    for number in range(500):
        scribe.add(number, "MarkerRecorded", markerName=f"m{number}")
    kinds = [message.kind for message in await watch.look()]
    assert kinds == ["part", "part", "missed"]
    scribe.add(501, "MarkerRecorded", markerName="last")
    assert [message.kind for message in await watch.look()] == ["part", "part"]


async def test_pages_cut_at_their_size_are_no_gap(scribe: Any, worker: ThreadPoolExecutor) -> None:
    pages = Pages(scribe.events)
    reader = reader_of(pages, worker)
    known = (await reader.read(RUN, range(0))).all
    for number in range(9):
        scribe.add(number, "MarkerRecorded", markerName=f"m{number}")
    pages.page = 4
    assert await reader.follow(RUN, known, 100) is None
    assert len(known) == 1


async def test_the_longest_history_is_parsed_and_drawn_beside_the_loop(
    scribe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6_200):
        scribe.decision(number, number + 0.1, number + 0.2) if number % 20 == 0 else scribe.activity(
            number, number + 0.5, number + 3, "Failed" if number % 50 == 1 else "Completed"
        )
    threads: set[str] = set()
    digests, draw = events.digests, timeline.draw

    def seen_digests(page: Any) -> list[events.Event]:
        threads.add(threading.current_thread().name)
        return digests(page)

    def seen_draw(*arguments: Any) -> Any:
        threads.add(threading.current_thread().name)
        return draw(*arguments)

    monkeypatch.setattr(events, "digests", seen_digests)
    monkeypatch.setattr(timeline, "draw", seen_draw)
    pages, renderer = Pages(scribe.events), rendering.Renderer()
    reader = reader_of(pages, renderer.worker)
    query = asked.Query({"account": "1", "domain": "house", "workflow": "w", "run": "r", "order": "newest"})
    view = await execution.view(pages, reader, renderer, query)  # type: ignore[arg-type]
    html = await renderer.page("execution.html", {**view.context, "live": view.live})
    renderer.close()
    assert len(scribe.events) == 18_601
    assert threads == {"console_0"}
    assert len(html) < 1_000_000
    assert pages.calls < 25


async def test_an_engine_that_cannot_answer_is_trouble_that_passes(scribe: Any, worker: ThreadPoolExecutor) -> None:
    pages = Pages(scribe.events)
    watch = watching.ExecutionWatch(pages, reader_of(pages, worker), rendering.Renderer(), PLACE, after=0)  # type: ignore[arg-type]
    pages.problem = refusals.Unavailable("The journal cannot be written; try again later")
    messages, goes_on = await live._look(watch)
    assert ([message.kind for message in messages], goes_on) == (["trouble"], True)
    pages.problem = core.Fault("UnknownResourceFault", "Unknown execution")
    messages, goes_on = await live._look(watch)
    assert ([message.kind for message in messages], goes_on) == (["trouble"], False)
    pages.problem = None
    assert [message.kind for message in await watch.look()] == ["part", "part"]


def test_messages_are_one_line_of_json() -> None:
    message = live.Message("rows", {"html": "a\nb\r\n\u2028"}, "7")
    encoded = message.encode().decode()
    assert encoded.startswith("id: 7\nevent: rows\ndata: {")
    assert encoded.endswith("}\n\n")
    assert encoded.count("\n") == 4
