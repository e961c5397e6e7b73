"""Payloads."""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbflow import flow
from elbflow.contract import document, vm_activities
from elbflow.flow import codec


@dataclass(frozen=True)
class Point:
    x: int
    label: str | None = None
    path: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Point(1, "é", (1.5, 2)), Point),
        (None, type(None)),
        ("text", str),
        ((1, "a"), tuple[int, str]),
        (timedelta(minutes=1), timedelta),
        ([Point(2)], list[Point]),
        (document.InstanceState.IN_SERVICE, document.InstanceState),
        ({"a": 1}, dict[str, int]),
    ],
)
def test_values_survive(value: object, type_: type[object]) -> None:
    text = flow.encode(value, type_)
    assert flow.decode(text, type_) == value
    json.loads(text)


@given(st.tuples(st.integers(), st.floats(), st.booleans(), st.none(), st.text(st.characters(codec="utf-8"))))
def test_plain_values_are_written_as_all_others_are(values: tuple[int, float, bool, None, str]) -> None:
    whole: Any = tuple[int, float, bool, None, str]
    assert flow.encode(values, whole) == codec.adapter(whole).dump_json(values, warnings="error").decode()
    for value in values:
        type_: Any = type(value)
        assert flow.encode(value, type_) == codec.adapter(type_).dump_json(value, warnings="error").decode()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1.0, int),
        (1, str),
        ((1,), tuple[str]),
        ((1, 2), tuple[int]),
        ((), tuple[int]),
        ((1,), list[int]),
        ([1], tuple[int]),
        ("\ud800", str),
    ],
)
def test_plain_values_that_are_not_as_declared_are_refused(value: object, type_: type[object]) -> None:
    with pytest.raises(flow.PayloadMismatch):
        flow.encode(value, type_)


def test_an_absent_payload_is_null() -> None:
    assert flow.decode(None, type(None)) is None


def test_long_text_is_compressed_beyond_24_kilobytes() -> None:
    short, long = "x" * (codec.INLINE - 2), "x" * 100_000
    assert flow.encode(short, str) == f'"{short}"'
    text = flow.encode(long, str)
    assert text[0] == "Z"
    assert len(text) < 1_000
    assert flow.decode(text, str) == long


def test_what_compresses_badly_travels_plain_up_to_the_limit() -> None:
    rng = random.Random(1)
    noise = "".join(rng.choice(string.printable[:94].replace('"', "").replace("\\", "")) for _ in range(30_000))
    text = flow.encode(noise, str)
    assert len(text) <= codec.LIMIT
    assert flow.decode(text, str) == noise


def test_what_does_not_fit_is_refused_never_cut() -> None:
    rng = random.Random(2)
    noise = "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(40_000))
    with pytest.raises(flow.PayloadTooLarge, match="40002 characters"):
        flow.encode(noise, str)


@pytest.mark.parametrize("text", ["Zrubbish!", "Z" + "eJw=", "{", '"text"', "Z", "ZeJxLBAAAQgBC"])
def test_foreign_payloads_are_refused(text: str) -> None:
    with pytest.raises(flow.PayloadMismatch):
        flow.decode(text, int)


def test_a_bomb_is_refused() -> None:
    import base64
    import zlib

    bomb = "Z" + base64.b64encode(zlib.compress(b'"' + b"0" * 20_000_000 + b'"')).decode()
    assert len(bomb) < codec.LIMIT
    with pytest.raises(flow.PayloadMismatch, match="inflates"):
        flow.decode(bomb, str)


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(flow.PayloadMismatch):
        flow.encode("text", Point)  # type: ignore[arg-type]


@pytest.mark.parametrize("type_", [set[int], frozenset[str], dict[str, set[int]], list[tuple[frozenset[int], int]]])
def test_sets_have_no_reproducible_order(type_: type[object]) -> None:
    with pytest.raises(flow.PayloadMismatch, match="sorted tuple"):
        flow.encode(type_(), type_)


def test_arguments_travel_as_an_array_of_positional_arguments() -> None:
    activity = vm_activities.get_cloudwatch_metrics
    assert json.loads(activity.encode_arguments(60.0, 7)) == [60.0, 7]
    assert activity.encode_arguments(acknowledge=7, period_s=60.0) == activity.encode_arguments(60.0, 7)
    assert activity.decode_arguments("[60, 7]") == (60.0, 7)
    report = document.MetricsReport(3, 60.0, (("a", 1.0),))
    assert activity.decode_result(activity.encode_result(report)) == report


@flow.abstract_activity(name="grown", version="1")
async def grown(first: int, second: str = "default") -> None:
    """An activity that got a second parameter later."""


def test_arguments_of_an_older_caller_are_filled_with_defaults() -> None:
    assert grown.decode_arguments("[1]") == (1, "default")
    assert json.loads(grown.encode_arguments(1)) == [1, "default"]


@pytest.mark.parametrize("text", ["[]", '[1,"a",2]', "[null]", "{}", "nonsense", None])
def test_arguments_that_do_not_fit_are_refused(text: str | None) -> None:
    with pytest.raises(flow.PayloadMismatch):
        grown.decode_arguments(text)
