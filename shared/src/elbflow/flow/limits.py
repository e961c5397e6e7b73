"""Lengths that SWF accepts (spec/swf-semantics 1.6), checked when a workflow asks rather than when SWF refuses."""

from __future__ import annotations

from elbflow import swf
from elbflow.flow import errors

MOST_TEXT = 32_768
"""Characters of a payload: input, result, details, control."""
MOST_NAME = 256
"""Characters of names, ids, tags and reasons."""
MOST_TAGS = 5

_LONG = {"input", "result", "details", "control", "executionContext"}


class Checked(dict[str, swf.Json]):
    """Attributes that were checked where they were made: some are made thousands of times of the same parts."""


def check(attributes: swf.Attributes) -> None:
    """Raise :class:`errors.PayloadTooLarge`, with field and size, for the first attribute that SWF would refuse."""
    if isinstance(attributes, Checked):
        return
    for field, value in attributes.items():
        if isinstance(value, str):
            if len(value) > MOST_NAME:
                _length(field, value, MOST_TEXT if field in _LONG else MOST_NAME)
        elif isinstance(value, dict):
            check(value)
        elif isinstance(value, (list, tuple)):
            if len(value) > MOST_TAGS:
                raise errors.PayloadTooLarge.of(field, len(value), MOST_TAGS, "entries")
            for member in value:
                _length(field, str(member), MOST_NAME)


def _length(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise errors.PayloadTooLarge.of(field, len(text), most)
