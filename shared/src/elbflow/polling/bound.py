"""How long a task may wait for its list's turn: the arithmetic (spec/swf-long-poll-scale 5.11). Pure.

With K task lists, B connections and a hold of H seconds, W = K - B lists are without a poll at any time (more while
connections are kept for lists that probing finds). In any H seconds every connection ends at least one poll, and those
that go in order serve the lists that wait, so that all of them had a turn after ceil(W / connections in order) × H
seconds. A task meets an unpolled list with probability W / K and waits, on average, half of that. This is the wait for
the list's turn: where nobody tells how many tasks wait, one that comes just after another may need the next turn.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import sys
from dataclasses import dataclass

from elbflow import swf
from elbflow.polling import rotation

NEVER = math.inf
_LONGEST_S = sys.float_info.max


class Mode(enum.StrEnum):
    """How lists without a poll of their own are served."""

    ENOUGH = "every list has a poll of its own"
    HOLD_HINT = "lists take turns, with shorter holds asked of the endpoint"
    PROBING = "lists take turns, and counting pending tasks finds those with work first"
    ROTATION = "lists take turns"
    NONE = "no connection is left for lists without a permanent poll"


@dataclass(frozen=True, slots=True)
class Situation:
    """``lists`` take turns on ``connections``: those of latency-critical lists are not among them.

    ``hold_s`` is how long the endpoint parks an empty poll by itself, ``asks`` whether it can be asked for less, and
    ``probes_per_s`` how many lists per second may be asked for their pending tasks.

    ``capped`` are lists of a tenant at the end of its share of the budget: no connection is kept for those that probing
    finds, so that they wait for a poll of the tenant to end. Probing also asks ``beside`` lists of other tenants.
    """

    lists: int
    connections: int
    hold_s: float
    asks: bool = False
    probes_per_s: float = 0.0
    capped: bool = False
    beside: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """What a :class:`Situation` comes to. Durations are seconds.

    ``waiting`` lists are without a poll at any time, and ``in_order`` connections serve them; ``hold_s`` is the hold
    that polls really get. ``turns_s`` is the longest time without a poll by turns alone, ``sweep_s`` the time in which
    all waiting lists are asked for pending tasks and one that has some gets a connection. ``worst_s`` is the longest
    and ``mean_s`` the average time that a task waits for its list's turn, beside what the network and the endpoint
    need. The worst holds once polls that were parked before the lists became so many have ended. Where probing makes
    it shorter than turns alone, it takes for granted that the endpoint counts right and that this process alone polls
    these lists.
    """

    mode: Mode
    situation: Situation
    waiting: int
    in_order: int
    hold_s: float
    turns_s: float
    sweep_s: float
    worst_s: float
    mean_s: float

    @property
    def arithmetic(self) -> str:
        """One sentence with all numbers."""
        given = self.situation
        text = f"{given.lists} task lists share {given.connections} connections"
        if self.mode in (Mode.ENOUGH, Mode.NONE):
            return f"{text}: {self.mode}"
        text += f", {self.in_order} of them in turn, each for up to {self.hold_s:.0f} s, so {self.waiting} lists wait: "
        text += f"ceil({self.waiting} / {self.in_order}) x {self.hold_s:.0f} s = {self.turns_s:.0f} s"
        if math.isfinite(self.sweep_s):
            text += f"; {self.waiting + given.beside} lists / {given.probes_per_s:g} probes per s"
            text += f" + {self.hold_s:.0f} s" if given.capped else ""
            text += f" = {self.sweep_s:.0f} s"
        return f"{text}; worst {self.worst_s:.0f} s, mean {self.mean_s:.0f} s"


def of(given: Situation) -> Bound:
    """The bound of ``given``."""
    if given.lists <= given.connections:
        return Bound(Mode.ENOUGH, given, 0, max(0, given.connections), given.hold_s, 0.0, 0.0, 0.0, 0.0)
    if given.connections < 1:
        return Bound(Mode.NONE, given, given.lists, 0, given.hold_s, NEVER, NEVER, NEVER, NEVER)
    found = rotation.kept_for_found(given.connections)
    probes = not given.asks and given.probes_per_s > 0.0 and found > 0
    kept = found if probes and not given.capped else 0
    waiting = given.lists - (given.connections - kept)
    in_order = given.connections - rotation.by_claim(given.connections)
    hold_s = asked_hold_s(given) if given.asks else given.hold_s
    turns_s = math.ceil(waiting / in_order) * hold_s
    sweep_s = (waiting + given.beside) / given.probes_per_s + (hold_s if given.capped else 0.0) if probes else NEVER
    worst_s = min(turns_s, sweep_s)
    mode = Mode.HOLD_HINT if given.asks else Mode.PROBING if probes else Mode.ROTATION
    mean_s = waiting / given.lists * worst_s / 2
    return Bound(mode, given, waiting, in_order, hold_s, turns_s, sweep_s, worst_s, mean_s)


def asked_hold_s(given: Situation) -> float:
    """The hold to ask for, so that turns come round fast: H × B / K, as far as the endpoint can be asked."""
    wanted_s = swf.askable_hold_s(given.hold_s * given.connections / given.lists)
    return min(float(wanted_s), given.hold_s)


def connections_for(given: Situation, limit_s: float) -> int:
    """The fewest connections with which no task waits longer than ``limit_s`` for its turn."""
    more = range(given.connections, given.lists)
    return next((number for number in more if _worst_s(given, number) <= min(limit_s, _LONGEST_S)), given.lists)


def _worst_s(given: Situation, connections: int) -> float:
    return of(dataclasses.replace(given, connections=connections)).worst_s
