"""What an unreliable endpoint answers, by chance: sometimes one fault rules for a while, sometimes all happen."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from elbflow import swf
from elbflow.polling import EndpointProfile
from elbflow.polling.testing import Reply

FAULTS: dict[str, type[swf.SwfError]] = {
    "throttle": swf.Throttled,
    "limit": swf.LimitExceeded,
    "reset": swf.Ambiguous,
    "refused": swf.ConnectFailed,
    "server": swf.Unavailable,
    "expired": swf.Unauthenticated,
    "no domain": swf.UnknownResource,
    "denied": swf.Denied,
}
KINDS = ("task", "full", "early", "herd", "half-open", *FAULTS)
HERD_EVERY_S = 4.0


@dataclass
class Weather:
    """``well`` means: tasks now and then, else full holds. ``quiet`` means: no tasks at all.

    ``tells_backlog``: every task comes with hints.
    """

    rng: random.Random
    profile: EndpointProfile
    tells_backlog: bool
    well: bool = False
    quiet: bool = False
    storm: swf.TaskList | None = None
    ruling: str = ""

    def change(self, lists: Collection[swf.TaskList]) -> str:
        """New weather for a while; says what it is."""
        self.ruling = self.rng.choice(KINDS)
        self._odds = {kind: self.rng.random() * (20.0 if kind == self.ruling else 0.5) for kind in KINDS}
        self.storm = self.rng.choice(list(lists)) if lists and self.rng.random() < 0.3 else None
        return f"{self.ruling} rules" + (f", tasks storm {self.storm.name}" if self.storm else "")

    def reply(self, task_list: swf.TaskList, now: float) -> Reply:
        """What a poll that arrives ``now`` gets."""
        if self.quiet:
            return Reply(self._hold_s())
        if self.well:
            return self._good_reply()
        if task_list == self.storm:
            return self._task(self.rng.uniform(0.03, 0.15), backlog=100)
        return self._bad_reply(self.rng.choices(KINDS, list(self._odds.values()))[0], now)

    def _good_reply(self) -> Reply:
        hold_s = self._hold_s()
        return self._task(self.rng.uniform(0.1, hold_s)) if self.rng.random() < 0.1 else Reply(hold_s)

    def _bad_reply(self, kind: str, now: float) -> Reply:
        rng = self.rng
        if kind == "task":
            return self._task(rng.choice((0.02, 0.3, 3.0, 25.0)), backlog=rng.choice((0, 0, 5)))
        if kind == "full":
            return Reply(self._hold_s())
        if kind == "early":
            return Reply(rng.choice((0.0, 0.01, 1.0, 14.0)))
        if kind == "herd":
            return Reply(HERD_EVERY_S - now % HERD_EVERY_S)
        if kind == "half-open":
            return Reply(None)
        return Reply(rng.choice((0.0, 0.02, 0.5, 20.0)), fault=FAULTS[kind]())

    def _task(self, after_s: float, backlog: int = 0) -> Reply:
        if not self.tells_backlog:
            return Reply(after_s, task=True)
        return Reply(after_s, task=True, backlog=backlog, oldest_s=1.0, scale=1 if backlog else -1)

    def _hold_s(self) -> float:
        return self.profile.hold_s + self.rng.uniform(-1.0, 0.0)
