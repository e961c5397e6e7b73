"""What a poll and its endpoint tell each other beside SWF's own words (spec/swf-long-poll-scale 6.12).

Our engine understands them, AWS and Eucalyptus know nothing of them, and nothing here is needed for correctness: a
header that is missing or malformed is no hint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

MAX_HOLD_HEADER = "x-swf-max-hold"
CAPABILITIES_HEADER = "x-swf-capabilities"
BACKLOG_HEADER = "x-swf-backlog"
SCALE_HEADER = "x-swf-scale"
HOLD_HINT = "hold-hint"
SHORTEST_HOLD_S = 5
LONGEST_HOLD_S = 58
_SCALES = {"-1": -1, "0": 0, "+1": 1}
_NO_CAPABILITIES: frozenset[str] = frozenset()
_MOST_DIGITS = 12


@dataclass(slots=True)
class Hints:
    """What the endpoint said with one poll's answer; the client fills it in before the poll returns.

    ``backlog`` is the number of tasks left on the list and ``oldest_s`` how long the next of them has been waiting.
    ``scale`` advises fewer (-1) or more (+1) polls. ``asked_s`` is the hold that was asked of the endpoint, None when
    nothing was asked: an empty answer after that time is not an early one.
    """

    backlog: int | None = None
    oldest_s: float | None = None
    scale: int = 0
    capabilities: frozenset[str] = _NO_CAPABILITIES
    asked_s: float | None = None

    def read(self, answer: Mapping[str, Any]) -> None:
        """Take the hints from the headers of ``answer``, as botocore leaves them in its metadata."""
        headers = headers_of(answer)
        self.capabilities = capabilities(headers)
        self.backlog, self.oldest_s = _backlog(headers.get(BACKLOG_HEADER))
        self.scale = _SCALES.get(headers.get(SCALE_HEADER, ""), 0)


def headers_of(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The response headers, in lower case."""
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def capabilities(headers: Mapping[str, str]) -> frozenset[str]:
    """What the endpoint can do that SWF does not demand."""
    given = headers.get(CAPABILITIES_HEADER)
    return frozenset(name for part in given.split(",") if (name := part.strip())) if given else _NO_CAPABILITIES


def askable_hold_s(hold_s: float) -> int:
    """The hold that can be asked for instead of ``hold_s``: whole seconds, 5 to 58."""
    return min(LONGEST_HOLD_S, max(SHORTEST_HOLD_S, math.ceil(hold_s)))


@dataclass(slots=True)
class _Wish:
    hold_s: int
    hints: Hints


_wish: ContextVar[_Wish | None] = ContextVar("swf_max_hold", default=None)


def wish(hold_s: float, hints: Hints) -> None:
    """Ask for this hold with the poll that the current task sends, if its endpoint can be asked."""
    _wish.set(_Wish(askable_hold_s(hold_s), hints))


def goes_to(capabilities: frozenset[str]) -> None:
    """The current task's request goes to an endpoint that announced these capabilities, or none so far."""
    if (wanted := _wish.get()) is not None:
        wanted.hints.asked_s = wanted.hold_s if HOLD_HINT in capabilities else None


def wished() -> dict[str, str]:
    """The headers that the current task's request must carry."""
    wanted = _wish.get()
    return {} if wanted is None or wanted.hints.asked_s is None else {MAX_HOLD_HEADER: str(wanted.hold_s)}


def add_wish(params: dict[str, Any], **_: Any) -> None:
    """A handler of botocore's ``before-call``: the headers are signed and sent with the request."""
    params["headers"].update(wished())


def _backlog(header: str | None) -> tuple[int | None, float | None]:
    """``<tasks>;age=<ms>``."""
    tasks, _, age = (header or "").partition(";age=")
    if not (_is_number(tasks) and _is_number(age)):
        return None, None
    return int(tasks), int(age) / 1000


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
