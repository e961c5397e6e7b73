"""Payloads, texts and addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine.console import asked, guard, payloads, text


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
    ],
)
def test_durations(ms: int, shown: str) -> None:
    assert text.duration(ms) == shown


def test_characters_that_deceive_are_shown() -> None:
    assert text.visible("a\u202eb\u200bc\x1bd\x00") == "a\\u202eb\\u200bc\\u001bd\\u0000"
    assert text.visible("line\n\tnext é 日本 עברית") == "line\n\tnext é 日本 עברית"


def row_of(scribe: Any, **attributes: Any) -> payloads.Row:
    scribe.add(1, "ActivityTaskFailed", **attributes)
    return payloads.rows(scribe.events[-1:], 0, lambda event: f"#{event}", lambda workflow, run: f"{workflow}/{run}")[0]


def test_json_is_laid_out_and_what_is_no_json_is_left_alone(scribe: Any) -> None:
    row = row_of(scribe, details='{"a":[1,2]}', result="{not json", input='"text"')
    shown = {payload.name: payload.text for payload in row.payloads}
    assert json.loads(shown["details"]) == {"a": [1, 2]}
    assert "\n" in shown["details"]
    assert shown["result"] == "{not json"
    assert shown["input"] == '"text"'


def test_long_payloads_are_folded_and_whole(scribe: Any) -> None:
    row = row_of(scribe, details="x" * 32_768, result="short")
    folded = {payload.name: (payload.folded, payload.cut, payload.characters) for payload in row.payloads}
    assert folded == {"details": (True, False, 32_768), "result": (False, False, 5)}


def test_deep_nesting_does_not_grow(scribe: Any) -> None:
    nested = "[" * 900 + "]" * 900
    deepest = "[" * 16_000 + "]" * 16_000
    row = row_of(scribe, details=nested, result=deepest)
    assert [payload.text for payload in row.payloads] == [nested, deepest]


def test_a_page_of_large_payloads_is_bounded(scribe: Any) -> None:
    for number in range(100):
        scribe.add(number, "MarkerRecorded", details="y" * 32_000)
    rows = payloads.rows(scribe.events[1:], 0, str, lambda *_: "")
    shown = sum(len(payload.text) for row in rows for payload in row.payloads)
    assert shown < payloads.PAGE_CHARACTERS + 200_000
    assert rows[0].payloads[0].cut is False
    assert rows[-1].payloads[0].cut is True


def test_links_between_events_and_to_executions(scribe: Any) -> None:
    other = {"workflowId": "w", "runId": "22r"}
    row = row_of(scribe, scheduledEventId=5, startedEventId=0, reason="no", workflowExecution=other)
    assert row.links == [("scheduledEventId", 5, "#5")]
    assert row.runs == [("workflowExecution", "w", "w/22r")]
    assert row.words == [("reason", "no")]
    assert row.tone == "bad"


def test_addresses_hold_any_name() -> None:
    shown = asked.address("execution", account="1@eu", workflow="a&b=c #?", run="22+/=", first=None)
    assert shown == "/console/execution?account=1%40eu&workflow=a%26b%3Dc+%23%3F&run=22%2B%2F%3D"


@pytest.mark.parametrize(
    "wrong", [{"from": "yesterday"}, {"state": "half"}, {"first": "-1"}, {"first": "9" * 30}, {"first": "٣"}]
)
def test_an_address_that_is_not_clear_says_so(wrong: dict[str, str]) -> None:
    query = asked.Query(wrong)
    [name] = wrong
    reads: dict[str, Callable[[str], object]] = {"from": query.moment, "first": query.number}
    with pytest.raises(asked.Unclear, match=name):
        reads.get(name, lambda name: query.choice(name, "open"))(name)


class Asking:
    def __init__(self, host: str, remote: str = "127.0.0.1", **headers: str) -> None:
        self.headers = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.remote = remote


@pytest.mark.parametrize(
    ("request_", "served"),
    [
        (Asking("127.0.0.1:8710"), True),
        (Asking("localhost:8710"), True),
        (Asking("[::1]:8710", "::1"), True),
        (Asking("127.8.9.10"), True),
        (Asking("evil.example:8710"), False),
        (Asking("127.0.0.1.evil.example"), False),
        (Asking("localhost.evil.example:80"), False),
        (Asking(""), False),
        (Asking("10.0.0.1:8710"), False),
        (Asking("127.0.0.1:8710", "10.0.0.9"), False),
        (Asking("console.example.org", "10.0.0.9"), True),
        (Asking("CONSOLE.example.org:443", "10.0.0.9"), True),
        (Asking("127.0.0.1", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"), False),
        (Asking("127.0.0.1", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe"), False),
        (Asking("127.0.0.1", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document"), True),
        (Asking("127.0.0.1", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors"), True),
    ],
)
def test_who_may_look(request_: Any, served: bool) -> None:
    refusal = guard.Guard(["console.example.org"]).refusal(request_)
    assert (refusal is None) is served
