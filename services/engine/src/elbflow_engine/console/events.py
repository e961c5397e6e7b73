"""Events of a history without their payloads: what pictures and links are made of (spec/swf-semantics 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PAYLOADS = frozenset({"input", "result", "details", "control", "executionContext"})
"""Members that may hold thousands of characters of somebody's data."""
LINKS = frozenset(
    {
        "scheduledEventId",
        "startedEventId",
        "initiatedEventId",
        "latestCancelRequestedEventId",
        "decisionTaskCompletedEventId",
    }
)
"""Members that name an earlier event of the same history; 0 names none."""
CLOSES: Mapping[str, str] = MappingProxyType(
    {
        "WorkflowExecutionCompleted": "completed",
        "WorkflowExecutionFailed": "failed",
        "WorkflowExecutionTimedOut": "timed out",
        "WorkflowExecutionCanceled": "canceled",
        "WorkflowExecutionTerminated": "terminated",
        "WorkflowExecutionContinuedAsNew": "continued as new",
    }
)
"""Events that close an execution, and how."""
_MOST_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``ms`` is its instant in epoch milliseconds, ``words`` its short members as texts."""

    id: int
    ms: int
    kind: str
    links: Mapping[str, int]
    words: Mapping[str, str]


def attributes(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attribute block of an event in wire form."""
    kind = event["eventType"]
    block: Mapping[str, Any] = event.get(f"{kind[0].lower()}{kind[1:]}EventAttributes") or {}
    return block


def milliseconds(seconds: float) -> int:
    """A timestamp of the protocol in epoch milliseconds."""
    return round(seconds * 1000)


def digest(event: Mapping[str, Any]) -> Event:
    """What is kept of an event in wire form."""
    links: dict[str, int] = {}
    words: dict[str, str] = {}
    for name, value in attributes(event).items():
        if name in LINKS:
            links[name] = int(value)
        elif name not in PAYLOADS:
            words[name] = _word(value)
    return Event(event["eventId"], milliseconds(event["eventTimestamp"]), event["eventType"], links, words)


def digests(events: Iterable[Mapping[str, Any]]) -> list[Event]:
    return [digest(event) for event in events]


def _word(value: Any) -> str:
    """A short member as one text: structures (types, executions, task lists) are their values in order."""
    if isinstance(value, Mapping):
        text = " ".join(str(part) for part in value.values())
    elif isinstance(value, list):
        text = ", ".join(str(part) for part in value)
    else:
        text = str(value)
    return text[:_MOST_CHARACTERS]
