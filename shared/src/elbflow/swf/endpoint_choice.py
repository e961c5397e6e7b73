"""Which of several endpoints to use (spec/swf-long-poll-scale 5.9). Pure: time comes in as an argument.

The first endpoint, in the order of preference, that is believed to answer is used for everything. One that does not
accept a connection is out at once, one that breaks connections or answers with server errors after five of these in
a row among its polls, or among its short calls. It is back when it has answered for 15 s and then, if it was given up
for failing polls (or short calls), one poll (or short call) that is sent there on trial. When no other is left, any
answer brings it back at once.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from elbflow.swf import errors
from elbflow.swf.tries import Pool

BREAK_AFTER = 5
GOOD_FOR_S = 15.0


@dataclass(slots=True)
class Health:
    """What is believed of one endpoint.

    ``faults`` are those in a row by kind of call: short calls may well succeed where no poll does. ``good_since`` is
    the first of the answers it gave in a row while out, ``life`` how often it came back: what began in an earlier life
    tells nothing of this one. ``suspect`` is the kind of calls it was given up for, None when it accepted no
    connection; ``on_trial`` is set while a call of that kind tries it again.
    """

    is_up: bool = True
    faults: Counter[Pool] = field(default_factory=Counter)
    good_since: float | None = None
    life: int = 0
    suspect: Pool | None = None
    on_trial: bool = False

    def may_be_tried(self, pool: Pool, now: float) -> bool:
        """Whether a call of ``pool`` may find out if such calls succeed here again."""
        return pool is self.suspect and not self.on_trial and self.is_good(now)

    def is_good(self, now: float) -> bool:
        """Whether it has answered long enough."""
        return self.good_since is not None and now - self.good_since >= GOOD_FOR_S


class Choice:
    """Endpoints by their number in the order of preference."""

    def __init__(self, count: int) -> None:
        self.health = [Health() for _ in range(count)]

    def pick(self, tried: Collection[int] = ()) -> int | None:
        """The endpoint to use now, none of ``tried``: the best that is up, or the best at all when none is up."""
        if self.health[0].is_up and 0 not in tried:
            return 0
        up = [number for number, health in enumerate(self.health) if health.is_up]
        left = (number for number in (up or range(len(self.health))) if number not in tried)
        return next(left, None)

    def take(self, pool: Pool, now: float, tried: Collection[int] = ()) -> tuple[int | None, bool]:
        """As :meth:`pick`, for a call of ``pool`` that goes out at ``now``; True when it goes to a better one on trial.

        Call :meth:`trial_ended` when that has ended.
        """
        chosen = self.pick(tried)
        for number, health in enumerate(self.health[:chosen]):
            if number not in tried and not health.is_up and health.may_be_tried(pool, now):
                health.on_trial = True
                return number, True
        return chosen, False

    def trial_ended(self, number: int) -> None:
        """The call that was sent to this endpoint on trial ended, in whatever way."""
        self.health[number].on_trial = False

    def down(self) -> list[int]:
        """Endpoints that are believed not to answer."""
        return [number for number, health in enumerate(self.health) if not health.is_up]

    def failed(self, number: int, fault: errors.SwfError, life: int, pool: Pool) -> bool:
        """A call of ``pool`` begun in ``life`` met an endpoint fault; True when the endpoint is given up for it."""
        health = self.health[number]
        if life != health.life:
            return False
        health.faults[pool] += 1
        health.good_since = None
        refused = isinstance(fault, errors.ConnectFailed)
        if not health.is_up or not (refused or health.faults[pool] >= BREAK_AFTER):
            return False
        health.is_up, health.suspect = False, None if refused else pool
        return True

    def answered(self, number: int, now: float, pool: Pool | None = None) -> bool:
        """The endpoint answered a call of ``pool``, or a health probe; True when it is used again from now on."""
        health = self.health[number]
        if pool is not None:
            health.faults[pool] = 0
        if health.is_up:
            return False
        if health.good_since is None:
            health.good_since = now
        alone = not any(other.is_up for other in self.health)
        proven = health.suspect in (None, pool)
        if not alone and not (proven and health.is_good(now)):
            return False
        health.is_up, health.good_since, health.suspect = True, None, None
        health.faults.clear()
        health.life += 1
        return True


def by_preference(urls: Iterable[str]) -> tuple[str, ...]:
    """``urls`` without repetitions in their order, but those of this machine first."""
    distinct = dict.fromkeys(urls)
    return tuple(sorted(distinct, key=lambda url: not is_local(url)))


def is_local(url: str) -> bool:
    """Whether ``url`` names this machine: its host name, or an address that it can bind. Asks no name server."""
    host = urlsplit(url).hostname or ""
    if host in ("localhost", socket.gethostname().lower()):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or _can_bind(address)


def _can_bind(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
