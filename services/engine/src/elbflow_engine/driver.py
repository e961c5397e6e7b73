"""Feeds the pure core with time, entropy and durability (spec/swf-long-poll-scale 6.2, 6.5, 6.6).

Every transition takes the same way: the core decides, the journal makes it durable, the core publishes it, the caller
gets its answer. Publishing hangs on the commit, not on the caller: a client that goes away changes nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from elbflow import clock as clocks
from elbflow import errors
from elbflow_engine import core, journal, meters

log = structlog.get_logger()

ENTROPY_BYTES = 48
MAX_FIRED_PER_TURN = 500
LONGEST_WAIT_S = 30.0
"""The wall clock may step: look at it at least this often while a deadline is ahead."""
SHORTEST_WAIT_S = 0.01
"""After an alarm that fired nothing: timers may ring a little before the wall clock agrees."""
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0


class Unavailable(errors.Retryable):
    """The engine cannot serve this now."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a new core needs. ``region`` appears in ARNs."""

    limits: core.Limits
    region: str = "us-east-1"


class Driver:
    """Owns the core. Use it on one loop; call :meth:`start` before anything else and :meth:`close` at the end.

    After a failed commit, or an unexpected error inside the core while it changed something, the state in memory may
    be ahead of the disk. Then every call is refused with :class:`Unavailable` until a new core is loaded from the
    journal; ``on_reload`` is called after that. ``on_handoff`` is called for each task that meets a parked poll.
    """

    def __init__(
        self,
        book: journal.Journal,
        configuration: Configuration,
        clock: clocks.Clock,
        meter: meters.Meters,
    ) -> None:
        self._journal = book
        self._configuration = configuration
        self._clock = clock
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._engine: core.Engine
        self._alarm: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._recovery: asyncio.Task[None] | None = None
        self.on_handoff: Callable[[core.Handoff], None]
        self.on_reload: Callable[[], None]

    @property
    def engine(self) -> core.Engine:
        """The present core; another one after a reload."""
        return self._engine

    @property
    def recovering(self) -> bool:
        """True while the state in memory cannot be trusted."""
        return self._recovery is not None

    def now(self) -> float:
        return self._clock.now()

    async def start(self) -> None:
        """Load the journal and fire what became due while nobody ran. Returns when that is durable."""
        self._engine = await self._load()
        while (fired := self._fire()) is not None:
            await asyncio.shield(fired)
        self._arm()

    async def close(self) -> None:
        """Stop timers and a recovery under way. Commits already queued are the journal's to finish."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait({self._recovery})

    async def call(self, account: str, operation: str, params: core.Object) -> bytes:
        """Serve any operation but a fresh poll and return the body of its answer, all of it durable.

        Raises :class:`core.Fault` or :class:`Unavailable`. Cancelled, the operation still happens.
        """
        self.check_serving()
        try:
            transition = self._engine.call(account, operation, params, self.now(), secrets.token_bytes(ENTROPY_BYTES))
        except core.Fault:
            await self.settled(self._journal.commit(()))
            raise
        except Exception as error:
            if not self._engine.only_reads(operation):
                self.distrust(error)
            raise
        await self.settled(self.commit(transition))
        result = transition.result
        if isinstance(result, core.HistoryWindow):
            events = await self._journal.events(result.execution_id, result.first, result.last)
            result = self._engine.fill(result, events)
        return core.render(result)

    def check_serving(self) -> None:
        """Raise :class:`Unavailable` while a reload is under way."""
        if self.recovering:
            raise Unavailable("The journal cannot be written; try again later")

    async def settled(self, durable: asyncio.Future[None]) -> None:
        """Wait for a commit as its caller: a failed one is :class:`Unavailable`. Cancellation does not undo it."""
        try:
            await asyncio.shield(durable)
        except journal.CommitFailed as error:
            raise Unavailable(str(error)) from error

    def commit(self, transition: core.Transition) -> asyncio.Future[None]:
        """Queue a transition; it is published once it is durable, before anybody who waits for the future runs."""
        durable = self._journal.commit(transition.changes)
        durable.add_done_callback(lambda done: self._durable(done, transition))
        return durable

    def distrust(self, error: BaseException) -> None:
        """The state in memory may be wrong: refuse calls and load it anew. Does nothing when that is under way."""
        if self._recovery is None:
            log.error("state_distrusted", reason=str(error), exc_info=error)
            self._recovery = asyncio.create_task(self._recover(), name="engine-recovery")

    def _durable(self, done: asyncio.Future[None], transition: core.Transition) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.distrust(error)
        if self.recovering:
            return
        try:
            for handoff in self._engine.publish(transition, self.now()):
                self.on_handoff(handoff)
        except Exception as unexpected:
            self.distrust(unexpected)
            return
        self._arm()

    async def _load(self) -> core.Engine:
        engine = core.Engine(self._configuration.limits, await self._journal.secret(), self._configuration.region)
        await self._journal.restore(engine.load)
        state = engine.statistics()
        log.info("journal_loaded", open_executions=state.open_executions, deadlines=state.deadlines)
        return engine

    async def _recover(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._journal.recover()
                self._engine = await self._load()
                break
            except Exception as error:
                log.error("recovery_failed", reason=str(error), next_try_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LAST_RETRY_S)
        self._recovery = None
        self._meter.reloads.inc()
        self.on_reload()
        self._arm()

    def _arm(self, shortest_s: float = 0.0) -> None:
        due = None if self.recovering else self._engine.next_deadline()
        if self._alarm is not None:
            if due == self._armed_for:
                return
            self._alarm.cancel()
            self._alarm = None
        self._armed_for = due
        if due is not None:
            wait_s = min(max(shortest_s, due - self.now()), LONGEST_WAIT_S)
            self._alarm = self._loop.call_later(wait_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if not self.recovering:
            fired = self._fire()
            self._arm(0.0 if fired else SHORTEST_WAIT_S)

    def _fire(self) -> asyncio.Future[None] | None:
        """Fire what is due; the future of the last commit, or None when nothing was."""
        now = self.now()
        due = self._engine.next_deadline()
        if due is None or due > now:
            return None
        try:
            fired = self._engine.expire(now, MAX_FIRED_PER_TURN)
        except Exception as error:
            self.distrust(error)
            return None
        last: asyncio.Future[None] | None = None
        for transition in fired:
            self._meter.fired(now - due)
            last = self.commit(transition)
        return last
