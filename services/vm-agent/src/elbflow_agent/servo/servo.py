"""The servo of one VM (design section 7).

HAProxy is never the child of this process: leaving the servo, or killing it, leaves HAProxy serving, and the next
servo in the same directory adopts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Mapping
from types import TracebackType

import structlog

from elbflow import clock, errors, flag, turn
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.certificates.model import Nowhere, Source
from elbflow_agent.haproxy import (
    apply,
    authentication,
    drops,
    keys,
    logs,
    pipes,
    place,
    plan,
    preview,
    shelf,
    steps,
    tls,
)
from elbflow_agent.health import checks, identity, probe, timetable, tracker
from elbflow_agent.servo import ending, news, reports
from elbflow_agent.servo.accounts import Accounts
from elbflow_agent.servo.memory import Memory
from elbflow_agent.servo.options import ServoOptions, ServoStatistics
from elbflow_agent.servo.watchdog import Watchdog

_log = structlog.get_logger(__name__)
_APPLY_ATTEMPTS = 2
_PROBLEM_LOOK_S = 10.0
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_REMEMBER_S = 30.0
_PROVE_S = 3.0


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
        certificates: Source | None = None,
        shipping: accesslog.Shipping | None = None,
        reloading: contextlib.AbstractAsyncContextManager[object] | None = None,
        times: timetable.Timetable | None = None,
    ) -> None:
        self._options = options
        self._clock, self._meters = time, instruments
        self._where = place.Place(options.directory, options.key_directory)
        self._memory = Memory(options.directory, time)
        self._keys = keys.Keys(self._where)
        self._certificates = Nowhere() if certificates is None else certificates
        self._shelf = shelf.Shelf(self._certificates, self._keys, time)
        self._applier = apply.Applier(
            self._where,
            self._keys,
            binary=options.binary,
            limits=options.limits.fitted(),
            time=time,
            instruments=instruments,
            reloading=reloading,
        )
        self._identities = identity.Identities(options.directory / "identities.json", self._health_changed)
        self._checks = checks.Checks(
            time=time,
            rng=rng,
            instruments=instruments,
            changed=self._health_changed,
            probing=probing,
            identities=self._identities,
            first_success=options.first_success,
            times=times,
        )
        self._accounts = Accounts(self._applier, self._memory, time=time, instruments=instruments)
        self._recorder = accesslog.Recorder(
            self._where.log_pipe,
            options.directory.name,
            options.address,
            shipping,
            time=time,
            measure=self._accounts.hear,
            instruments=instruments,
            troubled=self._health_changed,
        )
        self._drops = drops.Drops(self._where.admin_socket)
        self._document: document.LoadBalancerDocument | None = None
        self._excluded: Mapping[str, str] = {}
        self._problems: tuple[document.ListenerProblem, ...] = ()
        self._shown: Mapping[str, tracker.Health] = {}
        self._ending: ending.Ending | None = None
        self._mute: int | None = None  # the master that cannot write log lines
        self._look_again_s: float | None = None
        self._news = news.News(rng)
        self._dirty, self._unsaved = flag.Flag(), flag.Flag()
        self._watchdog = Watchdog(self._dirty.set, time)
        self._applying, self._converging = turn.Turn(), turn.Turn()
        self._tasks: list[asyncio.Task[None]] = []
        self._shown_as: int | None = None

    async def __aenter__(self) -> Servo:
        await asyncio.to_thread(self._where.prepare)
        if self._options.is_ending:
            await self._recall_to_end()
            return self
        await self._shelf.recall()
        self._certificates.subscribe(self._dirty.set)
        await self._recall()
        self._mute = await asyncio.to_thread(pipes.mute, self._where)
        await self._recorder.start(accesslog.Destination.of(self._document))
        self._shown_as = self._meters.load_balancers.enter(self._owner, self._accounts, self._report)
        try:
            await self._converge()
        except errors.ElbflowError as error:
            # The VM must answer even if HAProxy cannot start yet; the keeper goes on trying.
            self._note_failure(error, 0)
        self._accounts.follow(self._recorder.catch_up)
        for loop in (self._keep, self._watchdog.watch, self._remember):
            self._tasks.append(asyncio.create_task(loop(), name=f"servo-{loop.__name__.strip('_')}"))
        # Not before: what has been recalled serves without waiting for anybody.
        if wanted := shelf.named(self._document):
            self._tasks.append(asyncio.create_task(self._shelf.want(wanted), name="servo-certificates"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_tasks()
        if self._shown_as is not None:
            self._meters.load_balancers.leave(self._shown_as)
        await self._accounts.leave()
        await self._recorder.leave(publish_s=self._options.publish_s)
        await self._memory.save_health(dict(self._checks.states()))

    @property
    def in_force(self) -> document.LoadBalancerDocument | None:
        """The document that is served; while one is being applied, that one."""
        return self._document

    async def apply(self, wanted: document.LoadBalancerDocument) -> document.Applied:
        """Serve ``wanted`` and answer when HAProxy does; an older generation is answered with the one in force.

        Raises :class:`errors.Permanent` for a document that cannot be applied and :class:`errors.Retryable` when
        HAProxy could not be brought there; in both cases, and on cancellation, the previous document stays in force.
        """
        self._check_owner(wanted)
        async with self._applying:
            if self._ending is not None:
                raise errors.Retryable("the VM is being removed")
            current = self._document
            if current is not None and wanted.generation < current.generation:
                return self._answer(current)
            applied = False
            try:
                await self._shelf.want(shelf.named(wanted) | shelf.named(current))
                self._adopt_document(wanted)
                await self._checks.prove(within_s=_PROVE_S)
                await self._converge_repeatedly()
                if self._look_again_s is not None:
                    self._dirty.set()  # the keeper sleeps by what was due before
                await self._memory.save_document(wanted)
                applied = True
            finally:
                if not applied:
                    self._restore_document(current)
            await self._shelf.want(shelf.named(wanted))
            if current is None or current.generation != wanted.generation:
                _log.info("document_applied", generation=wanted.generation, problems=len(self._problems))
            return self._answer(wanted)

    async def preview(self, wanted: document.LoadBalancerDocument) -> preview.Preview:
        """What applying ``wanted`` would change, by which means and why. Nothing is changed."""
        self._check_owner(wanted)
        derived = await self._derive(wanted, self._shelf.expected)
        told = await self._applier.preview(derived.model, drain_s=self._options.drain_s(wanted))
        return dataclasses.replace(told, problems=(*derived.problems, *told.problems))

    async def health(self, known_digest: str, wait_s: float) -> document.HealthReport:
        """The health report as soon as its digest differs from ``known_digest``, at the latest after ``wait_s``."""
        deadline = self._clock.monotonic() + wait_s
        while True:
            report = self._report()
            remaining_s = deadline - self._clock.monotonic()
            if report.digest != known_digest or remaining_s <= 0:
                return report
            await self._news.wait(remaining_s)

    async def metrics(self, acknowledge: int) -> document.MetricsReport:
        """All counters that are not settled by ``acknowledge``."""
        if accesslog.Destination.of(self._document) is not None:
            await self._recorder.count_drops(self._drops)
        return await self._accounts.report(acknowledge)

    async def stop_data_plane(self, soft_s: float) -> None:
        """Both: stop HAProxy for good, whose connections have ``soft_s`` seconds."""
        await self.soft_stop()
        await self.finish(soft_s)

    async def soft_stop(self) -> None:
        """Accept nothing more, for the VM is being removed; what is served may finish, see :meth:`finish`."""
        async with self._applying:
            await self._stop_tasks()
            self._ending = await ending.begun(self._applier, self._accounts, self._clock)
            await self._keys.destroy()  # HAProxy has read them for the last time

    async def finish(self, within_s: float) -> None:
        """Return when HAProxy has ended after :meth:`soft_stop`; connections have ``within_s`` seconds to finish.

        What it counted and wrote until then is taken. Cancellation leaves HAProxy to end with its last connection.
        """
        if self._ending is not None:
            await self._ending.reach(within_s)
        else:  # it could not be told
            await self._applier.stop(soft_s=within_s)
        await self._recorder.finish()

    def statistics(self) -> ServoStatistics:
        applied, states = self._document, self._checks.states()
        return ServoStatistics(
            generation=applied.generation if applied is not None else None,
            content_hash=applied.content_hash() if applied is not None else None,
            problems=self._problems,
            haproxy_pid=self._watchdog.master,
            instances=len(states),
            in_rotation=sum(health.in_rotation for health in states.values()),
            reloads=self._applier.reloads,
            certificates_end=self._shelf.ends(),
        )

    async def _recall_to_end(self) -> None:
        """What is needed to count and to record; nothing is checked, changed or started any more."""
        await self._accounts.recall()
        self._document = await self._memory.document()
        await self._recorder.start(accesslog.Destination.of(self._document))
        self._shown_as = self._meters.load_balancers.enter(self._owner, self._accounts, self._report)
        self._accounts.follow(self._recorder.catch_up)

    async def _recall(self) -> None:
        await self._accounts.recall()
        saved = await self._memory.document()
        if saved is None or self._options.owner not in (None, saved.key):
            return
        fresh_s = 2.0 * saved.health_check.interval_s if saved.health_check is not None else 0.0
        self._checks.restore(await self._memory.health(fresh_s))
        await self._identities.recall()
        self._adopt_document(saved)

    def _adopt_document(self, wanted: document.LoadBalancerDocument) -> None:
        excluded = plan.excluded(wanted)
        self._checks.configure(
            wanted.health_check,
            {each.instance_id: each.address for each in wanted.backends if each.instance_id not in excluded},
            authentication.of_document(wanted),
            plan.introduced(wanted),
        )
        tell = self._news.tell if excluded != self._excluded else self._news.tell_later
        self._document, self._excluded = wanted, excluded
        tell()

    def _restore_document(self, previous: document.LoadBalancerDocument | None) -> None:
        self._document = previous
        if previous is not None:
            self._adopt_document(previous)
        else:
            self._checks.configure(None, {})
            self._excluded = {}
        self._dirty.set()

    def _check_owner(self, wanted: document.LoadBalancerDocument) -> None:
        if self._options.owner not in (None, wanted.key):
            raise WrongLoadBalancer(f"this VM serves {self._options.owner}, not {wanted.key}")

    def _answer(self, applied: document.LoadBalancerDocument) -> document.Applied:
        return document.Applied(applied.generation, applied.content_hash(), self._problems)

    def _report(self) -> document.HealthReport:
        return reports.health_report(self._document, self._shown, self._excluded, self._problems)

    def _health_changed(self) -> None:
        self._dirty.set()
        self._unsaved.set()

    def _show(self, states: Mapping[str, tracker.Health]) -> None:
        """Report ``states``: only now, so that InService means that HAProxy sends traffic."""
        before, self._shown = self._shown, states
        if reports.is_urgent(before, states):
            self._news.tell()
        elif states.keys() != before.keys():
            self._news.tell_later()

    def _note_problems(self, problems: tuple[document.ListenerProblem, ...]) -> None:
        """Report them as they are now: some end without a document, when a port gets free or a certificate comes."""
        if problems != self._problems:
            self._problems = problems
            self._news.tell()

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
                master = await self._reach_or_leave(wanted)
            finally:
                self._show(states)
            self._watchdog.serves(master)

    async def _reach_or_leave(self, wanted: document.LoadBalancerDocument | None) -> int | None:
        """Pid of the master that serves then."""
        if wanted is not None or (master := await self._applier.master_pid()) is None:
            return await self._reach(wanted)
        # HAProxy serves and our memory of its document is lost: leave it alone until one arrives.
        self._look_again_s = None
        return master

    async def _reach(self, wanted: document.LoadBalancerDocument | None) -> int | None:
        await self._shelf.refresh()
        derived = await self._derive(wanted)
        destination = accesslog.Destination.of(wanted)
        if destination is not None:
            self._recorder.direct(destination)  # before HAProxy writes the first line for it
        drain_s, old_worker_s = self._options.drain_s(wanted), self._options.old_worker_s(wanted)
        result = await self._applier.converge(derived.model, drain_s=drain_s, old_worker_s=old_worker_s)
        self._recorder.direct(destination)
        if self._mute not in (None, result.master):
            self._mute = None
            self._dirty.set()
        self._shelf.served(result.served.certificates)
        self._note_problems(reports.collected(derived.problems, result.problems, self._recorder.problems))
        self._look_again_s = result.look_again_s
        if result.problems:
            self._look_again_s = min(_PROBLEM_LOOK_S, result.look_again_s or _PROBLEM_LOOK_S)
        if result.restructured:
            self._accounts.restructured()
        return result.master

    def _owner(self) -> document.LoadBalancerKey | None:
        return self._document.key if self._document is not None else self._options.owner

    async def _derive(
        self, wanted: document.LoadBalancerDocument | None, certificates: tls.Lookup | None = None
    ) -> plan.Plan:
        if wanted is None:
            return plan.Plan(self._options.nothing)
        derived = await steps.in_turns(
            plan.planning(
                wanted,
                self._options.address,
                self._checks.in_rotation,
                certificates or self._shelf.usable,
                self._identities.as_now(),
                self._options.manner,
            )
        )
        if self._mute is None:
            return derived
        return dataclasses.replace(derived, model=dataclasses.replace(derived.model, logging=logs.Logging.NONE))

    async def _keep(self) -> None:
        """Converge whenever something changed or a second look is due."""
        failures = 0
        while True:
            await self._dirty.within(self._look_again_s)
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

    async def _remember(self) -> None:
        """Keep the health file current enough to be believed after a restart."""
        while True:
            wanted = self._document
            interval_s = wanted.health_check.interval_s if wanted and wanted.health_check else _REMEMBER_S
            await self._unsaved.within(interval_s)
            self._unsaved.clear()
            try:
                await self._memory.save_health(dict(self._checks.states()))
            except OSError:
                _log.exception("health_not_saved")

    async def _stop_tasks(self) -> None:
        self._news.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._accounts.close()
        await self._checks.aclose()
