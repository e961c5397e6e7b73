"""Arguments become wire members; what is not given is not sent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from elbflow import swf
from elbflow.swf import serialize


def test_none_is_absent() -> None:
    assert serialize.present(a=None, b="", c=0) == {"b": "", "c": 0}


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (timedelta(seconds=30), "30"),
        (timedelta(milliseconds=1), "1"),
        (timedelta(seconds=1, microseconds=1), "2"),
        (timedelta(days=365), "31536000"),
        (timedelta(0), "0"),
    ],
)
def test_timeouts_are_whole_seconds_rounded_up(value: timedelta, wire: str) -> None:
    assert serialize.seconds(value) == wire
    assert serialize.seconds_or_none(value) == wire


def test_no_timeout() -> None:
    assert serialize.seconds(None) is None
    assert serialize.seconds_or_none(None) == "NONE"


def test_decision_carries_the_attribute_block_of_its_type() -> None:
    decision = swf.Decision("StartTimer", {"timerId": "1", "startToFireTimeout": "5"})
    assert serialize.decisions([decision]) == [
        {
            "decisionType": "StartTimer",
            "startTimerDecisionAttributes": {"timerId": "1", "startToFireTimeout": "5"},
        }
    ]


def test_listing_takes_one_filter() -> None:
    assert serialize.execution_filter(None, None) == {}
    assert serialize.execution_filter("w", None) == {"executionFilter": {"workflowId": "w"}}
    assert serialize.execution_filter(None, "t") == {"tagFilter": {"tag": "t"}}
    assert serialize.execution_filter(None, None, swf.TypeId("n", "1")) == {"typeFilter": {"name": "n", "version": "1"}}
    with pytest.raises(ValueError, match="not by several"):
        serialize.execution_filter("w", "t")
