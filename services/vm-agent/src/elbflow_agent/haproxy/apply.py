"""Make the running HAProxy serve a model: runtime API where possible, a reload where not (REQ-1.2, REQ-1.3, REQ-3.3).

The file on disk always agrees with what runs, so a reload or a restart for any reason brings the same state back. A
configuration that does not load never gets near the running process.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from elbflow import clock, errors, turn
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import (
    benched,
    beside,
    compare,
    diff,
    farewells,
    keys,
    last_figures,
    master,
    model,
    old_workers,
    orders,
    place,
    preview,
    processes,
    proven,
    rotation,
    running,
    runtime,
    stats,
    steps,
    structure,
    table,
)

_log = structlog.get_logger(__name__)
_DYING_S = 2.0
_DRAIN_LOOK_S = 0.2
_TOLD_DIFFERENCES = 5
_TOLD_SERVERS = 20


@dataclass(frozen=True, slots=True)
class Convergence:
    """What is in force. ``look_again_s`` is set while servers drain; ``restructured`` after a start or reload."""

    master: int | None
    tag: str
    served: model.Model
    restructured: bool = False
    problems: tuple[document.ListenerProblem, ...] = ()
    look_again_s: float | None = None


class Applier:
    """Owns the HAProxy of one place; all its methods may be called concurrently and are carried out in turn.

    It reloads, and checks before, within ``reloading``: several HAProxys that share it keep their number down.
    """

    def __init__(
        self,
        where: place.Place,
        held: keys.Keys | None = None,
        *,
        binary: str,
        limits: place.Limits,
        time: clock.Clock,
        instruments: meters.Meters,
        reloading: contextlib.AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        held = keys.Keys(where) if held is None else held
        self.counters = stats.Counters()
        self._clock = time
        self._meters = instruments
        self._master = master.Master(where, binary=binary, time=time)
        self._structure = structure.Structure(
            where, self._master, held, binary=binary, limits=limits, time=time, instruments=instruments
        )
        self._runtime = runtime.Runtime(where.admin_socket)
        self._figures = last_figures.LastFigures(where.admin_socket)
        self._benched = benched.Benched(time)
        self._beside = beside.Beside(where, self._runtime, instruments=instruments)
        self._rotation = rotation.Rotation(where, held, self._runtime, instruments=instruments)
        self._old_workers = old_workers.OldWorkers(
            self._master, limits, self._count, time=time, instruments=instruments
        )
        self._limits = limits
        self._served: model.Model | None = None
        self._proven: proven.Proven | None = None
        self._deadlines: dict[running.ServerKey, float] = {}
        self._last_worker: int | None = None
        self._is_ending = False
        self._alone: int | None = None  # the worker that is known to have no old ones beside it
        self.keep_counts: Callable[[], Awaitable[None]] = _kept
        """Called when what was counted can soon be found nowhere else; must not raise, nor call this object."""
        self._turn = turn.Turn()
        self._reloading = contextlib.nullcontext() if reloading is None else reloading

    async def converge(self, wanted: model.Model, *, drain_s: float, old_worker_s: float | None = None) -> Convergence:
        """Reach ``wanted`` in one pass; servers that left drain for at most ``drain_s`` seconds.

        ``old_worker_s`` is how long a worker that is replaced may finish (None: what the limits say), at least for the
        idle timeout. A listener that cannot be bound is left out and reported. Raises :class:`errors.Retryable` when
        HAProxy could not be brought there; what served before goes on serving. Cancellation leaves a state that the
        next call mends.
        """
        async with self._turn:
            began = self._clock.monotonic()
            reached = await self._reach(wanted, drain_s, old_worker_s)
            if not self._deadlines or reached.restructured:
                return reached
            # A hundred thousand servers take a second to look at, and shall not take all of our time.
            return replace(reached, look_again_s=max(_DRAIN_LOOK_S, self._clock.monotonic() - began))

    async def _reach(self, wanted: model.Model, drain_s: float, old_worker_s: float | None) -> Convergence:
        known, self._proven = self._known(wanted), None
        if known is not None:
            try:
                told = await steps.in_turns(known.telling())
                return await self._pass(known.processes, told, wanted, drain_s, old_worker_s, known=True)
            except errors.Retryable as surprise:
                _log.info("haproxy_looked_at_again", reason=str(surprise))
        return await self._pass(*await self._observe(), wanted, drain_s, old_worker_s)

    def _known(self, wanted: model.Model) -> proven.Proven | None:
        """What HAProxy is, where a change to ``wanted`` may begin from that without a look."""
        known = self._proven
        if known is None or known.worker != self._alone:
            return None
        if self._benched.look_again_s is not None:  # sessions that are due are ended once
            return None
        return known if known.leads_to(wanted, self._structure.tag(wanted)) else None

    async def _pass(
        self,
        found: running.Processes | None,
        actual: running.Running | None,
        wanted: model.Model,
        drain_s: float,
        old_worker_s: float | None,
        *,
        known: bool = False,
    ) -> Convergence:
        """:meth:`converge` from what HAProxy is; ``known`` without a look at it."""
        served = actual.ports if actual is not None else frozenset[int]()
        bindable, problems = await self._structure.bindable(wanted, served)
        restructured = False
        await self._beside.write(bindable)
        rotated = await self._rotate(actual, bindable)
        if found is None or actual is None or rotated is rotation.Outcome.RELOAD:
            # A HAProxy that is down waits for nobody.
            async with self._reloading if actual is not None else contextlib.nullcontext():
                bindable, refused = await self._structure.checked(bindable)
                problems = (*problems, *refused)
                restructured = await self._restructure(found, actual, bindable, drain_s)
                found, actual = await self._master.processes(), await self._runtime.observe()
            if restructured:
                self._rotation.loaded(actual.pid, bindable)
            else:
                rotated = await self._rotation.install(actual.pid, bindable)
        else:
            await self._structure.write(bindable)
        self._last_worker = actual.pid
        old_worker_s = self._limits.hard_stop_s if old_worker_s is None else old_worker_s
        overdue_s = await self._old_workers.look(found, max(old_worker_s, wanted.idle_timeout_s))
        changes = await steps.in_turns(diff.finding_membership(actual, bindable))
        ends = await steps.in_turns(self._benched.looking(actual, bindable, drain_s, is_new=restructured))
        after = await self._execute_and_look((*changes, *ends)) if changes else None
        if ends and not changes:
            await self._execute(ends)
        parted = await self._depart(actual, bindable, drain_s)
        if restructured or changes or parted or rotated is rotation.Outcome.CHANGED:
            await self._prove(bindable, actual.pid, after if not parted else None, known=known)
        self._served = bindable
        self._alone = None if found.old_workers else found.worker
        if not self._deadlines and found.worker == actual.pid:
            self._proven = proven.Proven(found.master, actual.pid, actual.tag, bindable)
        waits = [each for each in (overdue_s, self._benched.look_again_s) if each is not None]
        look_again_s = _DRAIN_LOOK_S if self._deadlines else min(waits, default=None)
        return Convergence(found.master, actual.tag, bindable, restructured, problems, look_again_s)

    async def preview(self, wanted: model.Model, *, drain_s: float) -> preview.Preview:
        """What :meth:`converge` would do, and why. Changes nothing; new settings are shown to ``haproxy -c``."""
        async with self._turn:
            _, actual = await self._observe()
            new = wanted.ports - (actual.ports if actual is not None else frozenset())
            problems = self._structure.obstructed(wanted, new)
            possible = wanted.without_ports(frozenset(each.port for each in problems))
            if actual is None or diff.needs_reload(actual, self._structure.tag(possible)):
                await self._beside.provide(possible)
                refused = await self._structure.refused(possible)
                possible = possible.without_ports(frozenset(each.port for each in refused))
                problems = (*problems, *refused)
            tag = self._structure.tag(possible)
            told = preview.preview(actual, self._served, possible, tag, drain_s=drain_s)
            return replace(told, problems=problems)

    @property
    def reloads(self) -> int:
        """Successful reloads of this object, which is as old as the agent."""
        return self._structure.reloads

    async def sample(self) -> bool:
        """Take the counters of all workers, also of those that drain; whether any of those is left."""
        async with self._turn:
            return await (self._count_ending() if self._is_ending else self._count())

    async def master_pid(self) -> int | None:
        """Pid of the serving master, or None."""
        found = await self._master.found()
        return found.master if found is not None else None

    async def soft_stop(self) -> int | None:
        """Have HAProxy accept nothing more and end with its last connection; pid of its master, None without one.

        For good: from now on there is only to :meth:`sample`, to :meth:`end_sessions` and to :meth:`stop`.
        """
        async with self._turn:
            self._is_ending = True
            async with self._figures.held():
                return await self._master.soft_stop()

    async def end_sessions(self) -> int:
        """End what a HAProxy that was told to stop serves yet; how many sessions there were."""
        async with self._turn:
            return await farewells.end_sessions(self._master)

    async def stop(self, *, soft_s: float) -> None:
        """Stop HAProxy, letting connections finish for at most ``soft_s`` seconds."""
        async with self._turn:
            self.leave()
            await self._master.stop(soft_s=soft_s)
            self._old_workers.seen(())

    def leave(self) -> None:
        """Let old workers end by themselves: nobody counts any more."""
        self._figures.keep(())

    async def _observe(self) -> tuple[running.Processes | None, running.Running | None]:
        found = await self._master.found()
        if found is not None:
            try:
                return found, await self._runtime.observe()
            except runtime.Unreachable:
                # The worker may have died at this instant; its master follows.
                if not await processes.exited_within(found.master, _DYING_S):
                    raise
        if self._last_worker is not None:
            # A worker without its master ends by itself; until then it holds the ports.
            await processes.exited_within(self._last_worker, _DYING_S)
            self._last_worker = None
        return None, None

    async def _restructure(
        self, found: running.Processes | None, actual: running.Running | None, wanted: model.Model, drain_s: float
    ) -> bool:
        """Start or reload if there is need; whether there was."""
        if found is None or actual is None:
            await self._structure.start(wanted)
            return True
        if not diff.needs_reload(actual, self._structure.tag(wanted)) and not self._rotation.is_stuck:
            await self._structure.write(wanted)
            return False
        worker, shown = await self._runtime.statistics()
        await self._take(worker, shown, found.old_workers)
        self._alone = None
        self._old_workers.left(actual.pid, self._leaving(actual, wanted, drain_s))
        async with self._figures.held():
            await self._structure.reload(wanted, "settings" if actual.ports == wanted.ports else "listeners")
        return True

    async def _rotate(self, actual: running.Running | None, wanted: model.Model) -> rotation.Outcome:
        if actual is None or diff.needs_reload(actual, self._structure.tag(wanted)):
            return rotation.Outcome.RELOAD
        if not await self._beside.install(wanted):
            self._rotation.is_stuck = True
            return rotation.Outcome.RELOAD
        return await self._rotation.install(actual.pid, wanted)

    def _leaving(self, actual: running.Running, wanted: model.Model, drain_s: float) -> dict[running.ServerKey, float]:
        """Until when servers may have sessions that leave listeners which stay."""
        latest = self._clock.monotonic() + drain_s
        keys = (key for key in diff.departed(actual, wanted) if model.port_of(key[0]) in wanted.ports)
        return {key: self._deadlines.get(key, latest) for key in keys}

    async def _depart(self, actual: running.Running, wanted: model.Model, drain_s: float) -> bool:
        """Drain and remove servers that left; whether there was anything to do."""
        keys = diff.departed(actual, wanted)
        now = self._clock.monotonic()
        self._deadlines = {key: self._deadlines.get(key, now + drain_s) for key in keys}
        if not keys:
            return False
        farewell = diff.farewell(actual, wanted, keys)
        worker, shown = await self._runtime.carry_out_and_count(*await steps.in_turns(orders.making(farewell)))
        self._note(farewell)
        sessions = table.sessions(await self._counted(worker, shown))
        departures = [diff.Departure(key, self._deadlines[key], sessions.get(key, 0)) for key in keys]
        return await self._remove(actual.pid, departures) or bool(farewell)

    async def _remove(self, pid: int, departures: Sequence[diff.Departure]) -> bool:
        now = self._clock.monotonic()
        changes = [change for departure in departures for change in diff.removal(departure, now)]
        await self._execute(change for change in changes if not isinstance(change, diff.DeleteServer))
        gone = [change.key for change in changes if isinstance(change, diff.DeleteServer)]
        if gone:
            await self.keep_counts()
        deletions = [orders.delete_server(key) for key in gone]
        busy = []
        for key, deletion, answer in zip(gone, deletions, await self._runtime.attempt(*deletions), strict=True):
            if runtime.is_busy(answer):
                busy.append(key)
                continue
            if not deletion.obeyed(answer):
                raise runtime.Refused(f"{deletion.command}: {answer or 'empty answer'}")
            self.counters.forget_server(pid, key)
            del self._deadlines[key]
        removed = [f"{key[0]}/{key[1]}" for key in gone if key not in busy]
        if removed:
            self._meters.runtime_ops.labels(diff.DeleteServer.__name__).inc(len(removed))
            _log.info("servers_removed", count=len(removed), servers=removed[:_TOLD_SERVERS])
        # The last session of a busy one is still ending, or has left idle connections; the next look removes it.
        await self._execute(change for key in busy for change in diff.release(key))
        return bool(changes)

    async def _prove(self, wanted: model.Model, pid: int, after: running.Running | None, *, known: bool) -> None:
        """Raise :class:`compare.Disagreement` unless HAProxy is now what it should be, and worker ``pid`` still serves.

        ``after`` is what it was after the last change, None if nobody has looked since. Where it was only ``known``
        before, a difference is nobody's fault.
        """
        actual = await self._runtime.observe() if after is None else after
        if actual.pid != pid:
            raise compare.Disagreement(f"worker {actual.pid} serves instead of {pid}")
        tag = self._structure.tag(wanted)
        found = await steps.in_turns(compare.finding_differences(actual, wanted, tag, self._deadlines))
        found = (*found, *await self._rotation.differences(wanted), *await self._beside.differences(wanted))
        if not found:
            return
        told = "; ".join(difference.what for difference in found[:_TOLD_DIFFERENCES])
        if not known:
            for difference in found:
                self._meters.differences.labels(difference.kind).inc()
            _log.error("haproxy_differs", count=len(found), differences=told)
        raise compare.Disagreement(told)

    async def _count(self) -> bool:
        worker, shown = await self._runtime.statistics()
        old_workers: tuple[int, ...] = ()
        if worker != self._alone:
            old_workers = (await self._master.processes()).old_workers
            self._alone = None if old_workers else worker
        self._old_workers.seen(old_workers)
        return await self._take(worker, shown, old_workers)

    async def _count_ending(self) -> bool:
        """A worker that stops answers as one that was replaced, to its master alone."""
        left: tuple[int, ...] = ()
        with contextlib.suppress(runtime.Unreachable):  # it has ended
            left = farewells.workers(await self._master.processes())
        await self._take_from(left)
        await self._taken(left)
        return bool(left)

    async def _take(self, worker: int, shown: str, old_workers: tuple[int, ...]) -> bool:
        await self._take_from(old_workers)
        await self._counted(worker, shown)
        await self._taken((*old_workers, worker))
        return bool(old_workers)

    async def _take_from(self, old_workers: tuple[int, ...]) -> None:
        for pid in old_workers:
            try:
                last = await self._figures.of(pid) or await self._master.old_worker_statistics(pid)
            except runtime.Unreachable:
                continue  # it ended between the list and the question
            await self._counted(pid, last)
        self._figures.keep(old_workers)

    async def _taken(self, workers: tuple[int, ...]) -> None:
        """All of ``workers`` were counted, and there are no others."""
        self.counters.keep_workers(frozenset(workers))
        if self._figures.finished:
            await self.keep_counts()
            self._figures.let_go()

    async def _counted(self, worker: int, shown: str) -> list[table.Row]:
        """Add what ``worker`` shows that it counted; the rows."""
        rows = await steps.in_turns(table.parsing(shown))
        await steps.in_turns(self.counters.observing(worker, rows))
        return rows

    async def _execute(self, given: Iterable[diff.Change]) -> None:
        """Carry out the changes in order."""
        changes = list(given)
        await self._runtime.carry_out(*await steps.in_turns(orders.making(changes)))
        self._note(changes)

    async def _execute_and_look(self, changes: Sequence[diff.Change]) -> running.Running:
        """Carry out the changes in order; what HAProxy serves then."""
        found = await self._runtime.carry_out_and_observe(*await steps.in_turns(orders.making(changes)))
        self._note(changes)
        return found

    def _note(self, changes: Iterable[diff.Change]) -> None:
        for kind, count in Counter(type(change).__name__ for change in changes).items():
            self._meters.runtime_ops.labels(kind).inc(count)


async def _kept() -> None:
    """Whoever has no memory has nothing to keep."""
