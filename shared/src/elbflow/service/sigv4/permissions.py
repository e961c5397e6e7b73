"""What a credential may do: patterns of action names, as in policies (spec/swf-semantics 1.5)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Patterns of the actions that are allowed; what none of them matches is denied.

    A pattern is ``*`` or ``service:Action``; ``*`` in it stands for any text and ``?`` for any character. The case of
    letters does not matter.
    """

    allowed: tuple[str, ...] = (_ANY,)

    def allow(self, action: str) -> bool:
        """Whether ``action``, such as ``swf:StartTimer``, may be done."""
        return _ANY in self.allowed or any(matches(pattern, action) for pattern in self.allowed)

    def denied(self, service: str, actions: Iterable[str]) -> frozenset[str]:
        """Those of ``actions`` of one service that may not be done."""
        return frozenset(action for action in actions if not self.allow(f"{service}:{action}"))


ALLOW_ALL = Permissions()


def matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` stands for ``text``, among others perhaps."""
    return _expression(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    literal = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(literal, re.IGNORECASE | re.DOTALL)
