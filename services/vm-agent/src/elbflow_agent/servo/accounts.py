"""The counters of one VM, from HAProxy's workers to an acknowledged report (REQ-5.4, REQ-5.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from elbflow import clock, errors, tasks, turn
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, logs
from elbflow_agent.servo.ledger import Ledger
from elbflow_agent.servo.memory import Memory

_log = structlog.get_logger(__name__)
_OLD_WORKER_LOOKS_S = (0.1, 4.0)
"""First and longest pause between looks at old workers: what takes long there changes rarely.

An old worker that has finished stays until it is looked at; after 10 s without a look HAProxy would not wait any more.
"""
_SLOWER = 1.2
_FAILED_LOOKS = 5
_CLOSE_S = 1.0
_QUEUE_LOOK_S = 1.0
_TRAFFIC_LOOK_S = 5.0
"""A HAProxy that crashes takes what it counted since the last look along."""


class Accounts:
    """Counts when asked, before a worker is replaced, while old workers still answer requests, and during traffic."""

    def __init__(
        self, applier: apply.Applier, memory: Memory, *, time: clock.Clock, instruments: meters.Meters
    ) -> None:
        self._applier = applier
        self._memory = memory
        self._clock = time
        self._meters = instruments
        self._ledger = Ledger()
        self._reported_at = time.monotonic()
        self._turn, self._counting = turn.Turn(), turn.Turn()
        self._restructured = False
        self._queueing = False
        self._busy = False
        self._supervisor: tasks.Supervisor | None = None
        self._followed: set[str] = set()
        self._read_lines: Callable[[], Awaitable[None]] | None = None

    async def recall(self) -> None:
        """Go on where the last process stopped."""
        self._ledger, self._applier.counters = await self._memory.metrics()
        self._applier.keep_counts = self._keep

    def restructured(self) -> None:
        """Old workers may be there now."""
        self._restructured = True
        self._start(self.follow_old_workers)

    def hear(self, line: logs.Short, weight: float) -> None:
        """Take what a log line says, which stands for ``weight`` lines."""
        self._applier.counters.samples.add(line, weight)
        self._busy = True
        self._start(self.follow_traffic)
        if line.queue:
            self._is_queueing()

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

    async def count(self) -> bool | None:
        """Take all counters; whether old workers are left, None when that is unknown. Without HAProxy there is none.

        HAProxy counts an answer before it writes its line. So lines are read after the counters, and every answer
        that had ended by then has been measured.
        """
        try:
            async with self._counting:
                left = await self._applier.sample()
                counters = self._applier.counters
                ended = counters.ended()
                if self._read_lines is not None and counters.samples.owed:
                    await self._read_lines()
                counters.settle(ended)
            return left
        except errors.Retryable as error:
            self._meters.converge_errors.labels(type(error).__name__).inc()
            return None
        finally:
            if self._applier.counters.queue:
                self._is_queueing()

    async def leave(self) -> None:
        """Count a last time, remember it, and let old workers end without us."""
        await self.count()
        await self._keep()
        self._applier.leave()

    async def _keep(self) -> None:
        """Remember what was counted: of servers and workers that are about to end, nobody could ask it again."""
        async with self._turn:
            try:
                await self._memory.save_metrics(self._ledger, self._applier.counters)
            except OSError:
                _log.exception("counts_not_saved")

    def follow(self, read_lines: Callable[[], Awaitable[None]]) -> None:
        """Look by itself from now on, whenever there is something to look at; until :meth:`close`.

        ``read_lines`` makes :meth:`hear` hear of all lines that were written until now.
        """
        self._read_lines = read_lines
        self._supervisor = tasks.Supervisor()
        for heard, loop in (
            (self._restructured, self.follow_old_workers),
            (self._busy, self.follow_traffic),
            (self._queueing, self.follow_queues),
        ):
            if heard:
                self._start(loop)

    async def close(self) -> None:
        """Look no more by itself."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await supervisor.drain(_CLOSE_S)

    async def follow_old_workers(self) -> None:
        """Count what old workers still answer after a reload until they are gone."""
        while self._restructured:
            self._restructured = False
            pause_s, longest_s = _OLD_WORKER_LOOKS_S
            failures = 0
            while (left := await self.count()) is not False and failures < _FAILED_LOOKS:
                failures = failures + 1 if left is None else 0
                await self._clock.sleep(pause_s)
                pause_s = _OLD_WORKER_LOOKS_S[0] if self._restructured else min(longest_s, pause_s * _SLOWER)
                self._restructured = False

    async def follow_traffic(self) -> None:
        """Look every few seconds while log lines tell of requests."""
        while self._busy:
            await self._clock.sleep(_TRAFFIC_LOOK_S)
            self._busy = False
            await self.count()

    async def follow_queues(self) -> None:
        """Look every second while requests wait for servers."""
        while self._queueing:
            self._queueing = False
            await self._clock.sleep(_QUEUE_LOOK_S)
            await self.count()

    def _is_queueing(self) -> None:
        self._queueing = True
        self._start(self.follow_queues)

    def _start(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``loop`` unless it runs: of hundreds of VMs few have anything to follow, and a task takes 2 KiB."""
        name = loop.__name__
        if self._supervisor is not None and name not in self._followed:
            self._followed.add(name)
            self._supervisor.start(self._until_done(name, loop), f"servo-{name}")

    async def _until_done(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await loop()
        finally:
            self._followed.discard(name)
