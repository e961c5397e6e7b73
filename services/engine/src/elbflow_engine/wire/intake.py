"""Spreads a burst of requests over turns of the event loop (spec/swf-long-poll-scale 6.8).

The loop hands over what arrived on up to a thousand connections in one turn. When all clients come back at once,
after a restart, such a turn would last longer than a call may wait; so each turn begins a few dozen, and the others
follow in the next ones. Connections that were last answered at once go before new ones and before those that poll:
these wait anyway.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

MOST_PER_TURN = 48
PATIENT_PER_TURN = 16
"""How many of them are patient ones even while others keep coming."""


class Line(Protocol):
    """A connection as the intake sees it. ``unfed`` belongs to the intake and begins as None."""

    unfed: list[bytes] | None

    @property
    def patient(self) -> bool:
        """Whether its client is new or used to waiting."""

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived."""


class Intake:
    """Feeds connections with what they received, each in the order of arrival."""

    def __init__(self) -> None:
        self._prompt: deque[Line] = deque()
        self._patient: deque[Line] = deque()
        self._fed = 0
        self._armed = False

    def take(self, line: Line, data: bytes) -> None:
        """Feed ``data`` to ``line``: now while this turn has room and nobody waits, else in one of the next turns."""
        if line.unfed is not None:
            line.unfed.append(data)
            return
        if self._fed < MOST_PER_TURN and not self._prompt and not self._patient:
            self._fed += 1
            line.feed(data)
        else:
            line.unfed = [data]
            (self._patient if line.patient else self._prompt).append(line)
        self._arm()

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._armed = False
        for self._fed in range(MOST_PER_TURN):
            line = self._next()
            if line is None:
                return
            data = b"".join(line.unfed or ())
            line.unfed = None
            line.feed(data)
        self._arm()

    def _next(self) -> Line | None:
        if self._patient and (not self._prompt or self._fed >= MOST_PER_TURN - PATIENT_PER_TURN):
            return self._patient.popleft()
        return self._prompt.popleft() if self._prompt else None
