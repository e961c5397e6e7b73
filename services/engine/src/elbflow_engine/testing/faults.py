"""Misbehaviour on purpose, reproducible from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import NamedTuple, Self

SPELLS = ("throttled", "unavailable", "failed")
"""What a spell does to every call: ThrottlingException, 503 (not carried out), 500 (carried out or not)."""

_LOGGED = 10_000
_TOLD = 200


class Struck(NamedTuple):
    """One fault that happened: monotonic seconds, what, and to which operation or how."""

    at_s: float
    what: str
    about: str

    def __str__(self) -> str:
        return f"{self.at_s:12.3f} {self.what} {self.about}"


@dataclass(frozen=True, slots=True)
class CallFaults:
    """What happens to one call: the delays before it is carried out and before its answer arrives, in seconds.

    ``dropped_after_s``: a poll's connection vanishes so many seconds after it arrived, unless it has its task by then.
    """

    refused: bool = False
    throttled: bool = False
    unavailable: bool = False
    failed: bool = False
    duplicated: bool = False
    lost: bool = False
    noticed: bool = False
    redelivered: bool = False
    carried_out: bool = True
    dropped_after_s: float | None = None
    request_delay_s: float = 0.0
    answer_delay_s: float = 0.0


@dataclass(slots=True)
class FaultSchedule:
    """Draws the fate of each call, and when something happens to the engine itself, all from one ``rng``.

    Probabilities are 0..1 and independent of each other, times are seconds, ``..._every_s`` means of exponential
    distributions (0 = never). The same seed, schedule and calls give the same faults; ``log`` has them in order.

    Of calls: ``refused``: never arrives. ``throttled``: rejected. ``unavailable``: 503. ``failed``: 500, half of the
    time carried out. ``duplicated``: a short call is carried out twice, the caller sees the first answer. ``lost``:
    carried out, but the caller gets a broken connection. A polled task then waits for its timeout, unless the engine
    ``noticed`` the broken connection and takes the task back. ``dropped``: a poll's connection vanishes while it is
    parked. ``redelivered``: a polled task, with its token, is given to the next poll of its list as well.
    ``max_delay_s`` bounds each of two delays.

    Of the engine: it is killed, before or after its next transition is durable, and is down for up to ``downtime_s``;
    parked polls break, or with probability ``polls_survive`` all of them are taken over by the next engine. Its wall
    clock steps by up to ``longest_step_s`` off the true time. In a spell of up to ``spell_s`` every call fails alike.

    ``active`` switches everything off and on.
    """

    rng: random.Random = field(repr=False)
    refused: float = 0.0
    throttled: float = 0.0
    duplicated: float = 0.0
    lost: float = 0.0
    max_delay_s: float = 0.0
    active: bool = True
    unavailable: float = 0.0
    failed: float = 0.0
    noticed: float = 0.0
    dropped: float = 0.0
    redelivered: float = 0.0
    kill_every_s: float = 0.0
    downtime_s: float = 5.0
    polls_survive: float = 0.0
    step_every_s: float = 0.0
    longest_step_s: float = 20.0
    spell_every_s: float = 0.0
    spell_s: float = 10.0
    seed: int | None = field(default=None, init=False)
    spell: str | None = field(default=None, init=False)
    log: list[Struck] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def seeded(cls, seed: int, **given: float) -> Self:
        """A schedule with a generator of its own, which tells the seed when it is printed."""
        schedule = cls(random.Random(seed))  # noqa: S311
        schedule.seed = seed
        known = {one.name for one in fields(cls) if one.init}
        for name, value in given.items():
            if name not in known:
                raise TypeError(f"a fault schedule has no {name}")
            setattr(schedule, name, value)
        return schedule

    @classmethod
    def everything(cls, seed: int) -> Self:
        """All faults there are, each now and then: what a good client must live with."""
        return cls.seeded(
            seed,
            refused=0.02,
            throttled=0.02,
            duplicated=0.05,
            lost=0.03,
            max_delay_s=0.2,
            unavailable=0.01,
            failed=0.01,
            noticed=0.5,
            dropped=0.1,
            redelivered=0.05,
            kill_every_s=60.0,
            polls_survive=0.5,
            step_every_s=45.0,
            longest_step_s=3.0,
            spell_every_s=90.0,
        )

    def draw(self, hold_s: float = 0.0) -> CallFaults:
        """The fate of the next call. ``hold_s``: how long it may park, 0 for a short call."""
        if not self.active:
            return CallFaults()
        return CallFaults(
            refused=self._happens(self.refused),
            throttled=self._happens(self.throttled) or self.spell == "throttled",
            duplicated=self._happens(self.duplicated),
            lost=self._happens(self.lost),
            request_delay_s=self.rng.uniform(0.0, self.max_delay_s),
            answer_delay_s=self.rng.uniform(0.0, self.max_delay_s),
            unavailable=self._happens(self.unavailable) or self.spell == "unavailable",
            failed=self._happens(self.failed) or self.spell == "failed",
            noticed=self._happens(self.noticed),
            redelivered=self._happens(self.redelivered),
            carried_out=self._happens(0.5),
            dropped_after_s=self.rng.uniform(0.0, hold_s) if self._happens(self.dropped) and hold_s else None,
        )

    def note(self, at_s: float, what: str, about: str = "") -> None:
        """Remember a fault that happened; of very many the first are kept."""
        if len(self.log) < _LOGGED:
            self.log.append(Struck(at_s, what, about))

    def story(self) -> str:
        """The schedule and what it did, for people: the last faults, latest at the bottom."""
        told = self.log[-_TOLD:]
        return "\n".join((str(self), f"{len(self.log)} faults, the last {len(told)}:", *map(str, told)))

    @contextmanager
    def told(self) -> Iterator[None]:
        """An error that leaves this block carries the story of the faults, so that a failing test prints it."""
        try:
            yield
        except BaseException as error:
            error.add_note(self.story())
            raise

    def _happens(self, probability: float) -> bool:
        return self.rng.random() < probability

    def __str__(self) -> str:
        given = (
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if one.name not in ("rng", "log", "spell", "seed", "active") and getattr(self, one.name) != one.default
        )
        return f"FaultSchedule.seeded({self.seed}, {', '.join(given)})"
