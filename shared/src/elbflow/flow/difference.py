"""What replay gave beside what history recorded, for people to read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from elbflow import swf
from elbflow.flow.core import forms

_ROWS_AROUND = 3
_MOST_TEXT = 120


def shown(
    recorded: Sequence[swf.HistoryEvent], replayed: Sequence[swf.Decision], wrong: int, between: str, line: str
) -> str:
    """Two columns around row ``wrong`` of the decision of events ``between``, and the source line."""
    left = [_show(event.type, event.attributes) for event in recorded]
    right = [_show(decision.type, decision.attributes) for decision in replayed]
    rows = [
        f"{'!' if index == wrong else ' '} {a:<58} | {b}"
        for index, (a, b) in enumerate(itertools.zip_longest(left, right, fillvalue="(nothing)"))
        if abs(index - wrong) <= _ROWS_AROUND
    ]
    head = f"the decision of events {between} differs at command {wrong + 1}"
    return "\n".join([head, f"  {'recorded in history':<58} | replayed by the code", *rows, f"at {line}"])


def _show(kind: str, attributes: swf.Attributes) -> str:
    parts = [kind]
    for decision, form in forms.FORMS.items():
        if kind in (decision, f"{decision}Failed", *form.success):
            parts += [_text(attributes[name]) for name in form.attributes if attributes.get(name) is not None]
            break
    text = " ".join(parts)
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."


def _text(value: swf.Json) -> str:
    return "/".join(str(member) for member in value.values()) if isinstance(value, dict) else str(value)
