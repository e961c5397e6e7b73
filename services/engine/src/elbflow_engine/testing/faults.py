"""Misbehaviour on purpose, reproducible from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CallFaults:
    """What happens to one call: the delays before it is carried out and before its answer arrives, in seconds."""

    refused: bool = False
    throttled: bool = False
    duplicated: bool = False
    lost: bool = False
    request_delay_s: float = 0.0
    answer_delay_s: float = 0.0


@dataclass(slots=True)
class FaultSchedule:
    """Draws the fate of each call. Probabilities are 0..1 and independent of each other.

    ``refused``: never arrives. ``throttled``: rejected. ``duplicated``: a short call is carried out twice, the caller
    sees the first answer. ``lost``: carried out, but the caller gets a broken connection; a polled task then waits
    for its timeout. ``max_delay_s`` bounds each of two delays. ``active`` switches everything off and on.
    """

    rng: random.Random = field(repr=False)
    refused: float = 0.0
    throttled: float = 0.0
    duplicated: float = 0.0
    lost: float = 0.0
    max_delay_s: float = 0.0
    active: bool = True

    def draw(self) -> CallFaults:
        """The fate of the next call."""
        if not self.active:
            return CallFaults()
        return CallFaults(
            refused=self.rng.random() < self.refused,
            throttled=self.rng.random() < self.throttled,
            duplicated=self.rng.random() < self.duplicated,
            lost=self.rng.random() < self.lost,
            request_delay_s=self.rng.uniform(0.0, self.max_delay_s),
            answer_delay_s=self.rng.uniform(0.0, self.max_delay_s),
        )
