"""How one event looks in the table: links, short members, payloads (pretty-printed when they are JSON)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from elbflow_engine.console import events
from elbflow_engine.console import text as texts

FOLDED_ABOVE = 240
"""Characters; and more than a few lines are folded as well."""
_FOLDED_LINES = 8
_SUMMARY = 80
PAGE_CHARACTERS = 1_500_000
"""Payload shown on one page; what exceeds it is cut and can be seen alone."""
_CUT = 1_000
_PRETTY_FACTOR = 8
_BAD = ("Failed", "TimedOut", "Terminated")
_GOOD = ("Completed", "Fired")

Href = Callable[[int], str]
RunHref = Callable[[str, str], str]
"""Address of an execution, by workflow id and run id."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One long member. ``folded``: show ``summary`` and let the reader open it. ``cut``: not all of it is here."""

    name: str
    text: str
    characters: int
    folded: bool
    cut: bool

    @property
    def summary(self) -> str:
        return texts.shortened(" ".join(self.text[: 4 * _SUMMARY].split()), _SUMMARY)


@dataclass(frozen=True, slots=True)
class Row:
    """One event of the table.

    ``links``: member, event id, address; ``runs``: member, workflow id, address; ``words``: member, value.
    """

    id: int
    ms: int
    kind: str
    tone: str
    since_ms: int
    links: Sequence[tuple[str, int, str]]
    runs: Sequence[tuple[str, str, str]]
    words: Sequence[tuple[str, str]]
    payloads: Sequence[Payload]


def rows(shown: Sequence[Mapping[str, Any]], start_ms: int, href: Href, run_href: RunHref) -> list[Row]:
    """Rows of events in wire form, in the order given. Takes a while for large payloads: call it in a thread."""
    room = PAGE_CHARACTERS
    made: list[Row] = []
    for event in shown:
        row = _row(event, start_ms, href, run_href, room)
        room -= sum(len(payload.text) for payload in row.payloads)
        made.append(row)
    return made


def pretty(text: str) -> str:
    """``text`` with line breaks when it is JSON of some structure, else as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        written = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # the latter when it is nested too deeply
        return text
    # Deep nesting would be all blanks.
    return written if len(written) <= _PRETTY_FACTOR * len(text) else text


def _row(event: Mapping[str, Any], start_ms: int, href: Href, run_href: RunHref, room: int) -> Row:
    digest = events.digest(event)
    payloads = []
    for name, value in events.attributes(event).items():
        if name in events.PAYLOADS:
            payload = _payload(name, str(value), room)
            room -= len(payload.text)
            payloads.append(payload)
    links = [(name, target, href(target)) for name, target in digest.links.items() if target]
    runs = [
        (name, value["workflowId"], run_href(value["workflowId"], value["runId"]))
        for name, value in events.attributes(event).items()
        if isinstance(value, Mapping) and "runId" in value
    ]
    linked = {name for name, *_ in runs}
    return Row(
        digest.id,
        digest.ms,
        digest.kind,
        _tone(digest.kind),
        digest.ms - start_ms,
        links,
        runs,
        [(name, word) for name, word in digest.words.items() if name not in linked],
        payloads,
    )


def _payload(name: str, value: str, room: int) -> Payload:
    text = pretty(value) if len(value) <= room else value
    cut = len(text) > max(room, _CUT)
    if cut:
        text = text[:_CUT]
    folded = len(text) > FOLDED_ABOVE or text.count("\n") >= _FOLDED_LINES
    return Payload(name, text, len(value), folded, cut)


def _tone(kind: str) -> str:
    if kind.endswith(_BAD):
        return "bad"
    if kind.endswith(_GOOD):
        return "good"
    return "plain"
