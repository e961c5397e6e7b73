"""How sticky a decision worker is."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import timedelta

_LONGEST_NAME = 256
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Sticky:
    """Settings of sticky execution.

    ``bytes`` bounds the runs in memory. A decision task that this process does not take within ``schedule_to_start``
    (whole seconds) goes to the general list, where any decider takes it. ``audit_share`` of the decisions taken from
    memory are taken by full replay too, and compared. ``slots`` decisions of the sticky list are in work at the same
    time, beside those of the general list (default: as many).
    """

    bytes: int = 64 << 20
    schedule_to_start: timedelta = timedelta(seconds=5)
    audit_share: float = 0.005
    slots: int | None = None

    def __post_init__(self) -> None:
        if self.bytes < 1 or not 0.0 <= self.audit_share <= 1.0 or self.schedule_to_start < timedelta(seconds=1):
            raise ValueError(f"{self}: bytes from 1, audit_share from 0 to 1, schedule_to_start from 1 s")


def list_name(identity: str, rng: random.Random) -> str:
    """A task list for one process: its identity for people, a random number for uniqueness (spec/anchors 3.8 rule 5).

    A process that starts again under the same identity must not get tasks meant for the memory of its predecessor.
    """
    boot = f"{rng.getrandbits(64):016x}"
    readable = _NOT_IN_NAMES.sub("-", identity)[: _LONGEST_NAME - len(boot) - len("sticky--")]
    return f"sticky-{readable}-{boot}"
