"""Feeds the pure core with time, entropy and durability (spec/swf-long-poll-scale 6.2, 6.5, 6.6).

Every transition takes the same way: the core decides, the journal gets what it changed, the core publishes it, and
once it is durable the caller gets its answer. A task that meets a parked poll is started in the same turn: both changes
become durable together, in order, and both callers wait for that. Publishing does not hang on the caller: a client that
goes away changes nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import structlog

from elbflow import clock as clocks
from elbflow import tasks
from elbflow_engine import alarms, core, journal, looplag, meters, pages, purging, turns
from elbflow_engine.refusals import Overloaded, Unavailable

__all__ = ["Configuration", "Driver", "Overloaded", "Unavailable"]

log = structlog.get_logger()

ENTROPY_BYTES = 48
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0
MAX_FIRED_PER_TURN = 500
MAX_FIRING = 250
"""Deadlines that fired and wait for their commit: more would only make every request wait behind them."""
FIRE_SLICE = 25
FIRE_TURN_S = 0.004
"""After that long, firing lets requests through."""
SHORTEST_WAIT_S = 0.01
"""After an alarm that fired nothing: timers may ring a little before the wall clock agrees."""
OVERDUE_FIRST_S = 2.0
"""At start, deadlines that became due while nobody ran fire for so long before anybody is served; the rest beside."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a new core needs, and how service is shared. ``region`` appears in ARNs."""

    limits: core.Limits
    region: str = "us-east-1"
    shares: turns.Shares = field(default_factory=turns.Shares)
    page_bytes: int = pages.MOST_BYTES


class Driver:
    """Owns the core. Use it on one loop; call :meth:`start` before anything else and :meth:`close` at the end.

    After a failed commit, or an unexpected error inside the core while it changed something, the state in memory may
    be ahead of the disk. Then every call is refused with :class:`Unavailable` until a new core is loaded from what is
    committed. As long as the journal cannot be written (disk full) that core serves reads only; nothing is handed out
    and no deadline fires. ``on_reload`` is called when everything is served again. ``on_handoff`` is called for each
    task that meets a parked poll, with the instant (:func:`meters.instant`) at which the task became pollable.
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
        self._engine: core.Engine
        self._load_watch = turns.Load(meter)
        self._alarm = alarms.Alarm(clock, self._ring)
        self._firing = 0
        self._closed = False
        self._recovery: asyncio.Task[None] | None = None
        self._read_only = False
        self._purging: purging.Purging | None = None
        self._lag: looplag.LoopLag | None = None
        self.turnstile = turns.Turnstile(configuration.shares, meter)
        self.pages = pages.Room(configuration.page_bytes)
        self.on_handoff: Callable[[core.Handoff, float], None]
        self.on_reload: Callable[[], None]

    @property
    def engine(self) -> core.Engine:
        """The present core; another one after a reload."""
        return self._engine

    @property
    def recovering(self) -> bool:
        """True while nothing can be changed: the state in memory is not trusted, or the journal cannot be written."""
        return self._recovery is not None

    def now(self) -> float:
        return self._clock.now()

    async def start(self) -> None:
        """Load the journal and fire what became due while nobody ran, for a moment at least: in order, and durable
        when this returns. What is left fires beside the first requests.
        """
        self._engine = await self._load()
        self._lag = looplag.LoopLag(self._meter.lagged)
        self._purging = purging.Purging(self._purge)
        self._meter.watch(lambda: self._engine.gauges(self.now(), meters.LISTS_SHOWN), self.turnstile)
        ends = self._clock.monotonic() + OVERDUE_FIRST_S
        while self._fire() and self._clock.monotonic() < ends:
            await self.settled(self._journal.commit(()))

    async def close(self) -> None:
        """Stop timers and a recovery under way. Commits already queued are the journal's to finish."""
        self._closed = True
        self._alarm.cancel()
        self.turnstile.close()
        if self._lag is not None:
            self._lag.close()
        if self._purging is not None:
            await self._purging.close()
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait({self._recovery})

    async def call(
        self,
        account: str,
        operation: str,
        params: core.Object,
        *,
        denied: Collection[str] = frozenset(),
        held: pages.Held | None = None,
    ) -> bytes:
        """Serve any operation but a fresh poll and return the body of its answer, all of it durable.

        ``denied`` names the decisions the caller may not make (:meth:`core.Engine.call`). A history page occupies room
        in ``held`` until the caller has written it; without that it is not counted.
        Raises :class:`core.Fault` or :class:`Unavailable`. Cancelled in its turn, the operation still happens.
        """
        rank = await self.enter(account, operation, params)
        durable: asyncio.Future[None] | None = None
        try:
            transition = await self._decide(account, operation, params, denied)
            durable = self.commit(transition)
            await self.settled(durable)
            page = await self._read(transition.result)
            return core.render(page) if held is None else await held.page(page)
        finally:
            self.leave(rank, durable)

    async def enter(self, account: str, operation: str, params: core.Object) -> turns.Rank:
        """Wait for the turn of a request; :meth:`leave` must follow. Raises :class:`Unavailable`."""
        self.check_serving(operation)
        rank = turns.rank(operation)
        if rank >= turns.Rank.START:
            self._load_watch.check(operation, self._clock.monotonic())
        if not self.turnstile.passes(rank):
            tenant = account, self._engine.domain_of(account, params)
            await self.turnstile.wait(rank, tenant, turns.cost(operation, params))
            try:
                self.check_serving(operation)
            except Unavailable:
                self.turnstile.leave(rank)
                raise
        return rank

    def leave(self, rank: turns.Rank, durable: asyncio.Future[None] | None) -> None:
        """The turn of a request is over, once what it changed is ``durable``: also if its caller went away before."""
        if durable is None or durable.done():
            self.turnstile.leave(rank)
        else:
            durable.add_done_callback(lambda _: self.turnstile.leave(rank))

    def check_serving(self, operation: str = "") -> None:
        """Raise :class:`Unavailable` while a reload is under way, except for reads of what is committed."""
        if self.recovering and not (self._read_only and self._engine.only_reads(operation)):
            raise Unavailable("The journal cannot be written; try again later")

    async def settled(self, durable: asyncio.Future[None]) -> None:
        """Wait for a commit as its caller: a failed one is :class:`Unavailable`. Cancellation does not undo it."""
        try:
            if not durable.done():
                await tasks.ended(durable)
            durable.result()
        except journal.CommitFailed as error:
            raise Unavailable(str(error)) from error

    def commit(self, transition: core.Transition) -> asyncio.Future[None]:
        """Queue a transition and publish it; the future resolves once it is durable."""
        durable = self._queue(transition)
        self._publish([transition])
        return durable

    def _queue(self, transition: core.Transition) -> asyncio.Future[None]:
        """Hand a transition to the journal, for :meth:`_publish` to follow."""
        if self._read_only and not transition.changes:
            return _done()  # the journal refuses even barriers, but this core knows nothing that is not committed
        durable = self._journal.commit(transition.changes)
        if transition.changes:
            if not self._load_watch.timing:
                self._load_watch.began(self._clock.monotonic())
                durable.add_done_callback(lambda _: self._load_watch.ended(self._clock.monotonic()))
            durable.add_done_callback(lambda done: self._durable(done, transition))
        return durable

    def distrust(self, error: BaseException) -> None:
        """The state in memory may be wrong: refuse calls and load it anew. Does nothing when that is under way."""
        if self._recovery is None and not self._closed:
            log.error("state_distrusted", reason=str(error), exc_info=error)
            self._recovery = asyncio.create_task(self._recover(), name="engine-recovery")

    async def _decide(
        self, account: str, operation: str, params: core.Object, denied: Collection[str]
    ) -> core.Transition:
        """What the core says. A refusal waits for what it saw: it must not report as done what could still be lost."""
        try:
            entropy = os.urandom(ENTROPY_BYTES)
            return self._engine.call(account, operation, params, self.now(), entropy, denied=denied)
        except core.Fault:
            await self.settled(self.commit(core.Transition()))
            raise
        except Exception as error:
            if not self._engine.only_reads(operation):
                self.distrust(error)
            raise

    async def _read(self, answer: core.Answer) -> core.Page:
        """Complete a durable answer with what the journal holds."""
        while isinstance(answer, core.Read):
            answer = answer.resume(await self._journal.read(answer.query))
        return answer

    def _durable(self, done: asyncio.Future[None], transition: core.Transition) -> None:
        self._firing -= transition.due is not None
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.distrust(error)
        if error is not None or self.recovering:
            return
        if transition.due is not None:
            self._meter.fired(self.now() - transition.due)
        self._arm()

    def _publish(self, queued: Iterable[core.Transition]) -> None:
        """Let the tasks of transitions meet parked polls. All that the core handed out must be queued before."""
        try:
            for transition in queued:
                for handoff in self._engine.publish(transition, self.now()) if transition.offered else ():
                    self.on_handoff(handoff, meters.instant())
        except Exception as unexpected:
            self.distrust(unexpected)

    async def _load(self) -> core.Engine:
        engine = core.Engine(self._configuration.limits, await self._journal.secret(), self._configuration.region)
        await self._journal.restore(engine.load)
        state = engine.gauges(self.now(), 0)
        log.info("journal_loaded", open_executions=state.open_executions, deadlines=state.deadlines)
        return engine

    async def _recover(self) -> None:
        """Load what is committed, so that it can be read; then wait until the journal can be written again."""
        delay_s = FIRST_RETRY_S
        while True:
            try:
                if not self._read_only:
                    await self._journal.quiet()
                    self._engine = await self._load()
                    self._read_only = True
                await self._journal.recover()
                break
            except Exception as error:
                log.error("recovery_failed", reason=str(error), read_only=self._read_only, next_try_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LAST_RETRY_S)
        self._read_only = False
        self._recovery = None
        self._meter.reloaded()
        log.info("recovered")
        self.on_reload()
        self._arm()

    def _arm(self, shortest_s: float = 0.0) -> None:
        """See to it that the next deadline fires; while too many wait for their commit, the next commit does."""
        if self._closed or self.recovering or self._firing >= MAX_FIRING:
            return
        due = self._engine.earliest_deadline()
        if due is not None:
            self._alarm.set(due, shortest_s)

    def _ring(self) -> None:
        self._fire()

    def _fire(self) -> bool:
        """Fire what is due, as much as one turn of the loop may take; whether anything was."""
        if self.recovering:
            return False
        now = self.now()
        ends = self._clock.monotonic() + FIRE_TURN_S
        count = 0
        try:
            while count < MAX_FIRED_PER_TURN and self._firing < MAX_FIRING:
                fired = self._engine.expire(now, FIRE_SLICE)
                count += len(fired)
                self._firing += len(fired)
                for transition in fired:
                    self._queue(transition)
                self._publish(fired)
                if len(fired) < FIRE_SLICE or self._clock.monotonic() > ends:
                    break
        except Exception as error:
            self.distrust(error)
            return False
        self._arm(0.0 if count else SHORTEST_WAIT_S)
        return bool(count)

    async def _purge(self) -> bool:
        """Delete one unit of what is past its retention; whether there is more."""
        self.check_serving()
        engine = self._engine
        question = engine.retention_over(self.now())
        if question is None:
            return False
        await self.settled(self._journal.commit(()))
        found = await self._journal.read(question)
        if engine is self._engine and not self.recovering:
            await self.settled(self.commit(engine.purge(found)))
        return True


def _done() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
