"""Headers beside SWF: nonsense is no hint, and only who can be asked is asked (spec/swf-long-poll-scale 6.12)."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from elbflow.swf import hints
from elbflow.swf.hints import Hints


def answer(**headers: str) -> dict[str, object]:
    return {"ResponseMetadata": {"HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()}}}


def read(**headers: str) -> Hints:
    made = Hints()
    made.read(answer(**headers))
    return made


def test_all_hints_of_an_answer() -> None:
    told = read(x_swf_capabilities="safe-abort, hold-hint,backlog", x_swf_backlog="7;age=1234", x_swf_scale="+1")
    assert told.capabilities == {"safe-abort", "hold-hint", "backlog"}
    assert (told.backlog, told.oldest_s, told.scale) == (7, 1.234, 1)


@pytest.mark.parametrize("made", [{}, {"ResponseMetadata": {}}, {"ResponseMetadata": {"HTTPHeaders": {}}}])
def test_an_answer_without_headers_gives_no_hints(made: dict[str, object]) -> None:
    told = Hints(backlog=3, oldest_s=1.0, scale=1, capabilities=frozenset({"x"}))
    told.read(made)
    assert told == Hints()


@pytest.mark.parametrize(
    "backlog",
    ["", "7", "7;age=", ";age=5", "-1;age=5", "7;age=-5", "7;AGE=5", "1e3;age=5", "٣;age=5", "9" * 40 + ";age=1"],
)
def test_a_malformed_backlog_is_no_hint(backlog: str) -> None:
    told = read(x_swf_backlog=backlog, x_swf_scale="-1")
    assert (told.backlog, told.oldest_s, told.scale) == (None, None, -1)


@pytest.mark.parametrize("scale", ["", "1", "+2", "-", "up", " +1"])
def test_a_malformed_scale_is_no_hint(scale: str) -> None:
    assert read(x_swf_scale=scale, x_swf_backlog="0;age=0").scale == 0


def test_capabilities_without_names_are_none() -> None:
    assert read(x_swf_capabilities=" , ,").capabilities == frozenset()


@pytest.mark.parametrize(("wanted_s", "asked_s"), [(0.0, 5), (4.9, 5), (11.6, 12), (58.0, 58), (600.0, 58)])
def test_what_can_be_asked_for(wanted_s: float, asked_s: int) -> None:
    assert hints.askable_hold_s(wanted_s) == asked_s


def test_a_wish_goes_only_where_it_is_understood() -> None:
    def poll() -> None:
        told = Hints()
        params: dict[str, dict[str, str]] = {"headers": {"X-Amz-Target": "poll"}}
        hints.wish(11.6, told)
        hints.goes_to(frozenset({"backlog"}))
        hints.add_wish(params=params)
        assert told.asked_s is None
        assert params["headers"] == {"X-Amz-Target": "poll"}
        hints.goes_to(frozenset({"hold-hint"}))
        hints.add_wish(params=params)
        assert told.asked_s == 12
        assert params["headers"]["x-swf-max-hold"] == "12"
        hints.goes_to(frozenset())
        assert hints.wished() == {}
        assert told.asked_s is None

    copy_context().run(poll)
    assert hints.wished() == {}
