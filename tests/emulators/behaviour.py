"""How an emulated SWF endpoint behaves: one switch per fault (spec/swf-long-poll-scale 2, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

AWS_POLLERS_PER_LIST = 1000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Switches of one emulated endpoint; durations are seconds. The default is a healthy one.

    ``hold_s`` is how long an empty poll parks. With ``tick_s`` a hold ends only on a multiple of it, so that it lasts
    up to one tick longer. ``early_s`` is a shorter hold that polls get with probability ``early_share``.

    ``herd``: a task wakes all waiters of its list, and all but one are answered empty at once (2.3).
    ``threads`` serve the requests, and a parked poll occupies one of them; the others wait in a queue, neither parked
    nor answered (2.1, 2.2). ``short_calls_apart`` keeps short calls out of that queue.
    ``bucket_rate`` and ``bucket_size`` are the account's polls per second and burst, beyond which it throttles.
    ``drops_beyond``: a task for a list with more pollers is lost. ``notices_disconnects`` off: a dead poll stays
    parked, and a task given to it is lost. ``latency_s`` is added to every answer, ``service_s`` to short calls.
    """

    hold_s: float = 58.0
    tick_s: float = 0.0
    early_s: float | None = None
    early_share: float = 1.0
    herd: bool = False
    threads: int | None = None
    short_calls_apart: bool = False
    bucket_rate: float | None = None
    bucket_size: float = 1.0
    pollers_per_list: int = AWS_POLLERS_PER_LIST
    drops_beyond: int | None = None
    notices_disconnects: bool = True
    latency_s: float = 0.0
    service_s: float = 0.0

    def faster(self, factor: float) -> Behaviour:
        """The same endpoint with holds and ticks ``factor`` times shorter, for outcomes that do not depend on them."""
        return replace(self, hold_s=self.hold_s / factor, tick_s=self.tick_s / factor)


def early(after_s: float, share: float = 1.0) -> Behaviour:
    """Answers polls empty after ``after_s``, with probability ``share``."""
    return Behaviour(early_s=after_s, early_share=share)


def herd(hold_s: float = 58.0) -> Behaviour:
    """Wakes all waiters for one task."""
    return Behaviour(hold_s=hold_s, herd=True)


def thread_pool(threads: int, hold_s: float = 30.0) -> Behaviour:
    """A server whose parked polls pin its service threads; short calls need one as well (2.2)."""
    return Behaviour(hold_s=hold_s, threads=threads, service_s=0.005)


def throttling(rate: float, size: float) -> Behaviour:
    """Refuses polls beyond the account's bucket."""
    return Behaviour(bucket_rate=rate, bucket_size=size)


def eucalyptus() -> Behaviour:
    """Eucalyptus before its fixes: holds of 30 to 40 s, 32 parked polls, herds, no limit of pollers but lost tasks."""
    return Behaviour(
        hold_s=30.0,
        tick_s=10.0,
        herd=True,
        threads=32,
        short_calls_apart=True,
        pollers_per_list=1 << 30,
        drops_beyond=1000,
        notices_disconnects=False,
        service_s=0.005,
    )
