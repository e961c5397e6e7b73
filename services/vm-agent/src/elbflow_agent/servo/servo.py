"""The servo of one VM (design section 7).

HAProxy is never the child of this process: leaving the servo, or killing it, leaves HAProxy serving, and the next
servo in the same directory adopts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from types import TracebackType

import structlog

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, model, place, plan, processes
from elbflow_agent.health import checks, probe, tracker
from elbflow_agent.servo import reports
from elbflow_agent.servo.accounts import Accounts
from elbflow_agent.servo.memory import Memory
from elbflow_agent.servo.options import ServoOptions, ServoStatistics

_log = structlog.get_logger(__name__)
_APPLY_ATTEMPTS = 2
_PROBLEM_LOOK_S = 10.0
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_REMEMBER_S = 30.0
_SHORT_LIFE_S = 10.0


class WrongLoadBalancer(errors.Permanent):
    """The document belongs to another load balancer than this VM."""


class Servo:
    """Async context manager; entering it brings HAProxy up with the last good document."""

    def __init__(
        self,
        options: ServoOptions,
        *,
        time: clock.Clock,
        rng: random.Random,
        instruments: meters.Meters,
        probing: checks.Probe = probe.probe,
    ) -> None:
        self._options = options
        self._clock = time
        self._meters = instruments
        self._where = place.Place(options.directory)
        self._memory = Memory(options.directory, time)
        self._applier = apply.Applier(
            self._where, binary=options.binary, limits=options.limits.fitted(), time=time, instruments=instruments
        )
        self._checks = checks.Checks(
            time=time, rng=rng, instruments=instruments, changed=self._health_changed, probing=probing
        )
        self._accounts = Accounts(self._applier, self._memory, time=time, instruments=instruments)
        self._document: document.LoadBalancerDocument | None = None
        self._plan = plan.Plan(model.Model(options.address))
        self._problems: tuple[document.ListenerProblem, ...] = ()
        self._shown: Mapping[str, tracker.Health] = {}
        self._master: int | None = None
        self._look_again_s: float | None = None
        self._news = asyncio.Event()
        self._dirty = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._converged = asyncio.Event()
        self._applying = asyncio.Lock()
        self._converging = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Servo:
        await asyncio.to_thread(self._where.prepare)
        await self._recall()
        try:
            await self._converge()
        except errors.ElbflowError as error:
            # The VM must answer even if HAProxy cannot start yet; the keeper goes on trying.
            self._note_failure(error, 0)
        for loop in (self._keep, self._supervise, self._remember, self._accounts.follow_old_workers):
            self._tasks.append(asyncio.create_task(loop(), name=f"servo-{loop.__name__.strip('_')}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_tasks()
        await self._accounts.count()
        await self._memory.save_health(dict(self._checks.states()))

    async def apply(self, wanted: document.LoadBalancerDocument) -> document.Applied:
        """Serve ``wanted`` and answer when HAProxy does; an older generation is answered with the one in force.

        Raises :class:`errors.Permanent` for a document that cannot be applied and :class:`errors.Retryable` when
        HAProxy could not be brought there; in both cases, and on cancellation, the previous document stays in force.
        """
        if self._options.owner not in (None, wanted.key):
            raise WrongLoadBalancer(f"this VM serves {self._options.owner}, not {wanted.key}")
        async with self._applying:
            current = self._document
            if current is not None and wanted.generation < current.generation:
                return self._answer(current)
            applied = False
            try:
                self._adopt_document(wanted)
                await self._converge_repeatedly()
                await self._memory.save_document(wanted)
                applied = True
            finally:
                if not applied:
                    self._restore_document(current)
            if current is None or current.generation != wanted.generation:
                _log.info("document_applied", generation=wanted.generation, problems=len(self._problems))
            return self._answer(wanted)

    async def health(self, known_digest: str, wait_s: float) -> document.HealthReport:
        """The health report as soon as its digest differs from ``known_digest``, at the latest after ``wait_s``."""
        deadline = self._clock.monotonic() + wait_s
        while True:
            news = self._news
            report = self._report()
            remaining_s = deadline - self._clock.monotonic()
            if report.digest != known_digest or remaining_s <= 0:
                return report
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(remaining_s):
                    await news.wait()

    async def metrics(self, acknowledge: int) -> document.MetricsReport:
        """All counters that are not settled by ``acknowledge``."""
        return await self._accounts.report(acknowledge)

    async def stop_data_plane(self, soft_s: float) -> None:
        """Stop HAProxy for good: the VM is being removed."""
        await self._stop_tasks()
        await self._applier.stop(soft_s=soft_s)

    def statistics(self) -> ServoStatistics:
        applied, states = self._document, self._checks.states()
        return ServoStatistics(
            generation=applied.generation if applied is not None else None,
            content_hash=applied.content_hash() if applied is not None else None,
            problems=self._problems,
            haproxy_pid=self._master,
            instances=len(states),
            in_rotation=sum(health.in_rotation for health in states.values()),
        )

    async def _recall(self) -> None:
        await self._accounts.recall()
        saved = await self._memory.document()
        if saved is None or self._options.owner not in (None, saved.key):
            return
        fresh_s = 2.0 * saved.health_check.interval_s if saved.health_check is not None else 0.0
        self._checks.restore(await self._memory.health(fresh_s))
        self._adopt_document(saved)

    def _adopt_document(self, wanted: document.LoadBalancerDocument) -> None:
        derived = self._derive(wanted)
        self._checks.configure(
            wanted.health_check,
            {each.instance_id: each.address for each in wanted.backends if each.instance_id not in derived.excluded},
        )
        self._document, self._plan = wanted, derived
        self._publish()

    def _restore_document(self, previous: document.LoadBalancerDocument | None) -> None:
        self._document = previous
        if previous is not None:
            self._adopt_document(previous)
        else:
            self._checks.configure(None, {})
        self._dirty.set()

    def _answer(self, applied: document.LoadBalancerDocument) -> document.Applied:
        return document.Applied(applied.generation, applied.content_hash(), self._problems)

    def _report(self) -> document.HealthReport:
        return reports.health_report(self._document, self._shown, self._plan.excluded)

    def _health_changed(self) -> None:
        self._dirty.set()
        self._unsaved.set()

    def _show(self, states: Mapping[str, tracker.Health]) -> None:
        """Report ``states``: only now, so that InService means that HAProxy sends traffic."""
        if states != self._shown:
            self._shown = states
            self._publish()

    def _publish(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _converge_repeatedly(self) -> None:
        for attempt in range(1, _APPLY_ATTEMPTS + 1):
            try:
                await self._converge()
            except errors.Retryable as error:
                if attempt == _APPLY_ATTEMPTS:
                    raise
                _log.warning("converge_repeated", reason=str(error))
            else:
                return

    async def _converge(self) -> None:
        async with self._converging:
            wanted, states = self._document, dict(self._checks.states())
            try:
                self._master = await self._reach_or_leave(wanted)
            finally:
                self._show(states)
            self._converged.set()

    async def _reach_or_leave(self, wanted: document.LoadBalancerDocument | None) -> int | None:
        """Pid of the master that serves then."""
        if wanted is not None or (master := await self._applier.master_pid()) is None:
            return await self._reach(wanted)
        # HAProxy serves and our memory of its document is lost: leave it alone until one arrives.
        self._look_again_s = None
        return master

    async def _reach(self, wanted: document.LoadBalancerDocument | None) -> int | None:
        self._plan = self._derive(wanted)
        result = await self._applier.converge(self._plan.model, drain_s=self._drain_s(wanted))
        problems = sorted((*self._plan.problems, *result.problems), key=lambda problem: problem.port)
        self._problems = tuple(problems)
        self._look_again_s = result.look_again_s or (_PROBLEM_LOOK_S if result.problems else None)
        if result.restructured:
            self._accounts.restructured()
        return result.master

    def _derive(self, wanted: document.LoadBalancerDocument | None) -> plan.Plan:
        if wanted is None:
            return plan.Plan(model.Model(self._options.address))
        return plan.plan(wanted, self._options.address, self._checks.in_rotation)

    def _drain_s(self, wanted: document.LoadBalancerDocument | None) -> float:
        if wanted is not None and wanted.attributes.draining_enabled:
            return float(wanted.attributes.draining_timeout_s)
        return self._options.removal_grace_s

    async def _keep(self) -> None:
        """Converge whenever something changed or a second look is due."""
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_again_s):
                    await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._converge()
                failures = 0
            except errors.ElbflowError as error:
                self._note_failure(error, failures)
                failures += 1
            except Exception as error:
                _log.exception("converge_broken")
                self._note_failure(error, failures)
                failures += 1

    def _note_failure(self, error: Exception, failures: int) -> None:
        self._look_again_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
        self._meters.converge_errors.labels(type(error).__name__).inc()
        if failures == 0 or failures == len(_BACKOFF_S):
            _log.error("converge_failed", kind=type(error).__name__, reason=str(error))

    async def _supervise(self) -> None:
        """Notice at once when HAProxy dies (F106); one that dies again and again is started less and less often."""
        deaths = 0
        while True:
            await self._converged.wait()
            self._converged.clear()
            watched, began = self._master, self._clock.monotonic()
            if watched is not None:
                await processes.exited(watched)
                _log.error("haproxy_died", master=watched, in_a_row=deaths)
            deaths = 0 if self._clock.monotonic() - began > _SHORT_LIFE_S else deaths + 1
            if self._master == watched:
                self._master = None
            self._converged.clear()  # what was set meanwhile spoke of the dead one
            if deaths > 1:
                await self._clock.sleep(_BACKOFF_S[min(deaths, len(_BACKOFF_S) - 1)])
            self._dirty.set()

    async def _remember(self) -> None:
        """Keep the health file current enough to be believed after a restart."""
        while True:
            wanted = self._document
            interval_s = wanted.health_check.interval_s if wanted and wanted.health_check else _REMEMBER_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._unsaved.wait()
            self._unsaved.clear()
            try:
                await self._memory.save_health(dict(self._checks.states()))
            except OSError:
                _log.exception("health_not_saved")

    async def _stop_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._checks.aclose()
