"""SWF as a test double with real semantics."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from elbflow import clock as clocks
from elbflow.swf.metrics import CallCounter
from elbflow.swf.operations.executions import ExecutionOperations
from elbflow.swf.operations.polls import PollOperations
from elbflow.swf.operations.registration import RegistrationOperations
from elbflow.swf.operations.tasks import TaskOperations
from elbflow.swf.parse import unread
from elbflow.swf.retry import RetryPlan
from elbflow.swf.settings import ClientSettings
from elbflow.swf.transport import Transport
from elbflow_engine import core, wire
from elbflow_engine.testing.faults import FaultSchedule
from elbflow_engine.testing.host import HOLD_S, EngineHost
from elbflow_engine.testing.transport import InProcessTries
from elbflow_engine.testing.turmoil import Turmoil


class SwfDouble(PollOperations, TaskOperations, ExecutionOperations, RegistrationOperations):
    """:class:`elbflow.swf.Service` on the engine's core, in process, on any clock.

    ::

        clock = ManualClock()
        async with SwfDouble(clock, random.Random(1)) as service:
            await service.register_domain("test", retention_days=1)
            ...
            await clock.advance(60)      # deadlines fire, holds end, polls resolve

    Short calls take no time unless ``faults`` or ``retries`` say so; retries wait on the clock. Polls resolve when a
    task arrives or after ``hold_s`` ± 1 s. Cancelling a poll gives its place up; as with the real client, a task
    that was already on its way is then returned all the same.
    """

    def __init__(
        self,
        clock: clocks.Clock,
        rng: random.Random,
        faults: FaultSchedule | None = None,
        *,
        limits: core.Limits | None = None,
        hold_s: float = HOLD_S,
        retries: RetryPlan | None = None,
    ) -> None:
        self._host = EngineHost(clock, rng, limits=limits, hold_s=hold_s)
        self._turmoil = None if faults is None else Turmoil(self._host, clock, faults)
        self._disturbing: asyncio.Task[None] | None = None
        super().__init__(
            Transport(
                InProcessTries(self._host, clock, rng, faults),
                settings=ClientSettings(),
                counter=CallCounter(None),
                clock=clock,
                rng=rng,
                plan=retries or RetryPlan(),
            )
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(wire.inputs)
        if self._turmoil is not None:
            self._disturbing = asyncio.create_task(self._turmoil.run(), name="turmoil")
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._disturbing is not None:
            self._disturbing.cancel()
            await asyncio.wait({self._disturbing})
        await self._host.aclose()
        if self._disturbing is not None and not self._disturbing.cancelled():
            self._disturbing.result()

    async def call(self, operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Any short operation by its wire name, for what :class:`elbflow.swf.Service` does not offer."""
        return await self._transport.call(operation, dict(members), unread)

    def restart(self) -> None:
        """Crash the engine and start it again from its journal; parked polls and tokens survive."""
        self._host.restart()

    def histories(self, domain: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """All whole histories of a domain by workflow id and run id, as the wire would have them; past any faults."""
        return self._host.journal.histories(domain)

    def statistics(self) -> core.Statistics:
        """Open executions, parked polls, backlogs."""
        return self._host.statistics()
