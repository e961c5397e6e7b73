"""Short calls keep to this process's share of the account's quotas (spec/swf-long-poll-scale 5.7, 5.12).

Every operation has a bucket of its own, as it has at AWS: a storm of starts or signals never delays a heartbeat or
the answer of a task. Polls are governed by the scheduler, which knows which of them matters most.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import NoReturn

import structlog

from elbflow import clock as clocks
from elbflow.swf import errors
from elbflow.swf.metrics import QuotaMetrics
from elbflow.swf.quota_settings import PUBLISHED, Quota, QuotaSettings
from elbflow.swf.rate import RateGovernor

_log = structlog.get_logger(__name__)
_EPSILON_S = 1e-6


class Quotas:
    """The buckets of all operations, shared by everything in a process that calls one account.

    Without ``settings`` nothing is limited.
    """

    def __init__(self, settings: QuotaSettings | None, *, clock: clocks.Clock, metrics: QuotaMetrics) -> None:
        self._gates: dict[str, _Gate] = {}
        if settings is None:
            return
        for operation in PUBLISHED:
            quota = settings.of_short_call(operation)
            if quota is not None:
                self._gates[operation] = _Gate(operation, quota, clock, metrics)

    async def acquire(self, operation: str, within_s: float) -> None:
        """Wait for the turn of one call: first come, first served among those of the same operation.

        :class:`elbflow.swf.Throttled` at once when the turn would not come within ``within_s`` seconds, or as soon as
        a falling rate has that effect. Cancelled, it gives its place to the next.
        """
        gate = self._gates.get(operation)
        if gate is not None:
            await gate.enter(within_s)

    def failed(self, operation: str, fault: errors.SwfError) -> None:
        """A call ended with ``fault``: when the account's quota is used up, this process takes half as much."""
        gate = self._gates.get(operation)
        if gate is not None and isinstance(fault, errors.Throttled):
            gate.throttled()

    def rate(self, operation: str) -> float | None:
        """Calls per second that may be sent now; None when the operation is not limited."""
        gate = self._gates.get(operation)
        return None if gate is None else gate.governor.rate

    def waiting(self, operation: str) -> int:
        """How many calls wait for their turn."""
        gate = self._gates.get(operation)
        return 0 if gate is None else len(gate)


@dataclass(slots=True, eq=False)
class _Turn:
    """One waiting call. ``called`` becomes True when it is the first in the queue, False when it is refused."""

    deadline: float
    called: asyncio.Future[bool]


class _Gate:
    """One operation's bucket and those who wait for it. Only the first in the queue has a timer.

    Nobody waits in vain: a call is in the queue only as long as its token comes before its deadline.
    """

    def __init__(self, operation: str, quota: Quota, clock: clocks.Clock, metrics: QuotaMetrics) -> None:
        self._operation = operation
        self._clock = clock
        self._metrics = metrics
        self._queue: OrderedDict[_Turn, None] = OrderedDict()
        self.governor = RateGovernor(quota.per_s, burst=quota.burst)
        metrics.watch(operation, lambda: self.governor.rate)

    def __len__(self) -> int:
        return len(self._queue)

    async def enter(self, within_s: float) -> None:
        begun = self._clock.monotonic()
        if not self._queue and self.governor.ready_at(begun) <= begun:
            self.governor.take(begun)
            return
        turn = _Turn(begun + within_s + _EPSILON_S, asyncio.get_running_loop().create_future())
        if self.governor.ready_at(begun, ahead=len(self._queue)) > turn.deadline:
            self._refuse(within_s)
        self._queue[turn] = None
        try:
            await self._take_turn(turn, within_s)
        finally:
            del self._queue[turn]
            self._call_first()
        self._metrics.waited(self._operation, self._clock.monotonic() - begun)

    async def _take_turn(self, turn: _Turn, within_s: float) -> None:
        self._call_first()
        if not await turn.called:
            self._refuse(within_s)
        while (at := self.governor.ready_at(now := self._clock.monotonic())) > now:
            if at > turn.deadline:
                self._refuse(within_s)
            await self._clock.sleep(at - now)
        self.governor.take(now)

    def throttled(self) -> None:
        now = self._clock.monotonic()
        if self.governor.rate >= self.governor.configured:
            _log.warning("swf_share_halved", operation=self._operation, per_s=self.governor.rate / 2)
        self.governor.throttled(now)
        ahead = 0
        for turn in self._queue:
            if not turn.called.done() and self.governor.ready_at(now, ahead) > turn.deadline:
                turn.called.set_result(False)
            else:
                ahead += 1

    def _call_first(self) -> None:
        if self._queue:
            first = next(iter(self._queue))
            if not first.called.done():
                first.called.set_result(True)

    def _refuse(self, within_s: float) -> NoReturn:
        self._metrics.refused(self._operation)
        raise errors.Throttled(
            f"{self._operation}: this process's share of the account's quota, {self.governor.rate:.3g} a second, is "
            f"used up for the next {within_s:.0f} s",
            operation=self._operation,
        )
