"""What a page's address asks for. Everything is in the query string: names may hold any character."""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Mapping


class Unclear(Exception):
    """The address does not say what to show; the text says what is wrong with it."""


class Query:
    """The query string of one request; of repeated names the last counts."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)

    def text(self, name: str) -> str:
        """A value that must be there. Raises :class:`Unclear`."""
        value = self.maybe(name)
        if value is None:
            raise Unclear(f"The address lacks “{name}”.")
        return value

    def maybe(self, name: str) -> str | None:
        """A value without the blanks around it; an empty one counts as none."""
        return self._given.get(name, "").strip() or None

    def choice(self, name: str, *choices: str) -> str:
        """One of ``choices``; the first when none is given. Raises :class:`Unclear`."""
        value = self.maybe(name) or choices[0]
        if value not in choices:
            raise Unclear(f"“{name}” must be one of: {', '.join(choices)}.")
        return value

    def number(self, name: str) -> int | None:
        """A count or id. Raises :class:`Unclear`."""
        value = self.maybe(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise Unclear(f"“{name}” must be a number.")
        return int(value)

    def moment(self, name: str) -> float | None:
        """An instant in UTC, as a browser's form writes it, in epoch seconds. Raises :class:`Unclear`."""
        value = self.maybe(name)
        if value is None:
            return None
        try:
            when = datetime.datetime.fromisoformat(value)
        except ValueError as error:
            raise Unclear(f"“{name}” must be a date and time such as 2026-01-31T12:00.") from error
        return when.replace(tzinfo=when.tzinfo or datetime.UTC).timestamp()

    def without(self, *names: str) -> dict[str, str]:
        """What was asked, but for ``names``."""
        return {name: value for name, value in self._given.items() if name not in names and value}


def address(page: str, /, **members: str | int | None) -> str:
    """The address of a page below ``/console``; members that are None or empty are left out."""
    written = {name.rstrip("_"): str(value) for name, value in members.items() if value not in (None, "")}
    path = f"/console/{page}" if page else "/console"
    return f"{path}?{urllib.parse.urlencode(written)}" if written else path
