"""Helpers for tests of the engine core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench

Event = dict[str, Any]

_LINKS = (
    "scheduledEventId",
    "startedEventId",
    "initiatedEventId",
    "latestCancelRequestedEventId",
    "decisionTaskCompletedEventId",
)
_WORDS = ("cause", "timeoutType")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def attributes(event: Event) -> dict[str, Any]:
    """The attribute block of an event."""
    kind = event["eventType"]
    block: dict[str, Any] = event[f"{kind[0].lower()}{kind[1:]}EventAttributes"]
    return block


@pytest.fixture
def attrs() -> Callable[[Event], dict[str, Any]]:
    return attributes


@pytest.fixture
def trace() -> Callable[[list[Event]], str]:
    """A history in the notation of spec/swf-semantics 8.1: ids, types, links; ``|`` where the timestamp changes."""

    def render(events: list[Event]) -> str:
        parts: list[str] = []
        for number, event in enumerate(events):
            if number and event["eventTimestamp"] != events[number - 1]["eventTimestamp"]:
                parts.append("|")
            block = attributes(event)
            links = [block[name] for name in (*_WORDS, *_LINKS) if name in block]
            text = f"({','.join(map(str, links))})" if links else ""
            parts.append(f"{event['eventId']} {event['eventType']}{text}")
        return " ".join(parts)

    return render


@pytest.fixture
def refused() -> Callable[..., str]:
    """Assert that a call is refused with a fault and return its message."""

    def check(code: str, call: Callable[..., object], *args: Any, **params: Any) -> str:
        with pytest.raises(core.Fault) as caught:
            call(*args, **params)
        assert caught.value.code == code
        return caught.value.message

    return check
