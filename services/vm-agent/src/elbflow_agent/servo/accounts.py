"""The counters of one VM, from HAProxy's workers to an acknowledged report (REQ-5.4, REQ-5.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, logs
from elbflow_agent.servo.ledger import Ledger
from elbflow_agent.servo.memory import Memory

_OLD_WORKER_LOOK_S = 0.5
_QUEUE_LOOK_S = 1.0


class Accounts:
    """Counts when asked, before a worker is replaced, and while old workers still answer requests."""

    def __init__(
        self, applier: apply.Applier, memory: Memory, *, time: clock.Clock, instruments: meters.Meters
    ) -> None:
        self._applier = applier
        self._memory = memory
        self._clock = time
        self._meters = instruments
        self._ledger = Ledger()
        self._reported_at = time.monotonic()
        self._turn = asyncio.Lock()
        self._restructured = asyncio.Event()
        self._queueing = asyncio.Event()

    async def recall(self) -> None:
        """Go on where the last process stopped."""
        self._ledger, self._applier.counters = await self._memory.metrics()

    def restructured(self) -> None:
        """Old workers may be there now."""
        self._restructured.set()

    def hear(self, line: logs.Short) -> None:
        """Take what a log line says."""
        self._applier.counters.samples.add(line)
        if line.queue:
            self._queueing.set()

    @property
    def totals(self) -> Mapping[str, float]:
        """What was counted up to the last look."""
        return self._applier.counters.totals

    @property
    def queue(self) -> float:
        """How many waited for a server at the last look."""
        return self._applier.counters.queue

    async def report(self, acknowledge: int) -> document.MetricsReport:
        """All counters that are not settled by ``acknowledge``; on disk before they are returned."""
        await self.count()
        async with self._turn:
            now = self._clock.monotonic()
            report = self._ledger.take(
                self._applier.counters.totals,
                acknowledge,
                period_s=round(now - self._reported_at, 3),
                now=self._clock.now(),
                extremes=self._applier.counters.samples.take_extremes(),
            )
            self._reported_at = now
            await self._memory.save_metrics(self._ledger, self._applier.counters)
            return report

    async def count(self) -> bool:
        """Take all counters; whether old workers are left. Without HAProxy there is nothing to take."""
        try:
            return await self._applier.sample()
        except errors.Retryable as error:
            self._meters.converge_errors.labels(type(error).__name__).inc()
            return False
        finally:
            if self._applier.counters.queue:
                self._queueing.set()

    async def follow_old_workers(self) -> None:
        """For ever: count what old workers still answer after a reload until they are gone."""
        while True:
            await self._restructured.wait()
            self._restructured.clear()
            while await self.count():
                await self._clock.sleep(_OLD_WORKER_LOOK_S)

    async def follow_queues(self) -> None:
        """For ever: look every second while requests wait for servers."""
        while True:
            await self._queueing.wait()
            self._queueing.clear()
            await self._clock.sleep(_QUEUE_LOOK_S)
            await self.count()
