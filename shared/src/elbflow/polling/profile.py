"""What the scheduler must know about the kind of SWF endpoint it polls (spec/swf-long-poll-scale 5.2, 5.16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from elbflow import swf

EndpointKind = Literal["local", "aws", "eucalyptus"]
"""Names of the presets of :class:`EndpointProfile`."""

DECISION_POLLS_MAX = 8
ACTIVITY_POLLS_MAX = 16


@dataclass(frozen=True, slots=True)
class EndpointProfile:
    """Facts about one kind of endpoint. Durations are seconds, rates are polls per second and task kind.

    ``hold_s`` is how long an empty poll is expected to park; the real value is learned from the answers.
    ``hold_max_s`` is the longest park to allow for. ``safe_abort`` says that closing the connection of a parked
    poll loses nothing, because the endpoint offers a task again that it was just handing over: only then may polls
    be aborted (I3). ``takes_hold_hints`` is what is believed of the endpoint until it answers, and ``probe_rate`` how
    many times per second this process may count the pending tasks of a list: all clients of an AWS account share 6.
    Beyond ``list_pollers`` polls on one list endpoints refuse polls, or drop tasks; of these ``list_share`` is for one
    lane, because other hosts poll the same list.
    """

    name: str
    hold_s: float
    hold_max_s: float
    default_budget: int
    issue_rate: float
    safe_abort: bool
    takes_hold_hints: bool = False
    probe_rate: float = 1.0
    list_pollers: int = 1000
    list_share: float = 0.25
    start_spread_s: float = 2.0
    drain_margin_s: float = 5.0
    watchdog_margin_s: float = 15.0
    flush_s: float = 10.0

    @classmethod
    def local(cls) -> EndpointProfile:
        """The embedded engine on the same machine."""
        return cls(
            "local",
            58.0,
            60.0,
            default_budget=1000,
            issue_rate=500.0,
            safe_abort=True,
            takes_hold_hints=True,
            probe_rate=50.0,
            list_share=1.0,
        )

    @classmethod
    def aws(cls) -> EndpointProfile:
        """Amazon SWF: holds 60 s, and the issue rate is a quarter of the account's quota."""
        return cls("aws", 60.0, 60.0, default_budget=200, issue_rate=50.0, safe_abort=False)

    @classmethod
    def eucalyptus(cls) -> EndpointProfile:
        """Eucalyptus SWF before 5.0: holds 30 to 40 s behind a queue of 32 threads."""
        return cls("eucalyptus", 30.0, 60.0, default_budget=24, issue_rate=5.0, safe_abort=False)

    @classmethod
    def of(cls, kind: EndpointKind) -> EndpointProfile:
        """The preset of this name."""
        presets = {"local": cls.local, "aws": cls.aws, "eucalyptus": cls.eucalyptus}
        return presets[kind]()

    @property
    def drain_timeout_s(self) -> float:
        """Longest wait for parked polls when draining (5.13)."""
        return self.hold_max_s + self.drain_margin_s

    @property
    def watchdog_s(self) -> float:
        """Age at which a poll counts as dead although its connection did not say so (5.9)."""
        return self.hold_max_s + self.watchdog_margin_s

    @property
    def most_polls(self) -> int:
        """The most that a lane may ask for."""
        return max(1, int(self.list_pollers * self.list_share))

    def max_polls(self, kind: swf.TaskKind) -> int:
        """Default number of polls that one lane may park."""
        return DECISION_POLLS_MAX if kind is swf.TaskKind.DECISION else ACTIVITY_POLLS_MAX
