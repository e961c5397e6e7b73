"""Make the running HAProxy serve a model: runtime API where possible, a reload where not (REQ-1.2, REQ-1.3, REQ-3.3).

The file on disk always agrees with what runs, so a reload or a restart for any reason brings the same state back. A
configuration that does not load never gets near the running process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import diff, master, model, place, processes, render, running, runtime, stats, structure

_log = structlog.get_logger(__name__)
_DYING_S = 2.0
_DRAIN_LOOK_S = 0.2


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
    """Owns the HAProxy of one place; all its methods may be called concurrently and are carried out in turn."""

    def __init__(
        self, where: place.Place, *, binary: str, limits: place.Limits, time: clock.Clock, instruments: meters.Meters
    ) -> None:
        self.counters = stats.Counters()
        self._clock = time
        self._meters = instruments
        self._master = master.Master(where, binary=binary, time=time)
        self._structure = structure.Structure(
            where, self._master, binary=binary, limits=limits, time=time, instruments=instruments
        )
        self._runtime = runtime.Runtime(where.admin_socket)
        self._deadlines: dict[running.ServerKey, float] = {}
        self._last_worker: int | None = None
        self._alone: int | None = None  # the worker that is known to have no old ones beside it
        self._turn = asyncio.Lock()

    async def converge(self, wanted: model.Model, *, drain_s: float) -> Convergence:
        """Reach ``wanted`` in one pass; servers that left drain for at most ``drain_s`` seconds.

        A listener that cannot be bound is left out and reported. Raises :class:`errors.Retryable` when HAProxy could
        not be brought there; what served before goes on serving. Cancellation leaves a state that the next call mends.
        """
        async with self._turn:
            found, actual = await self._observe()
            served = actual.ports if actual is not None else frozenset[int]()
            bindable, problems = await self._structure.bindable(wanted, served)
            restructured = False
            if found is None or actual is None or diff.needs_reload(actual, self._structure.tag(bindable)):
                bindable, refused = await self._structure.checked(bindable)
                problems = (*problems, *refused)
                restructured = await self._restructure(found, actual, bindable)
                found, actual = await self._master.processes(), await self._runtime.observe()
            else:
                await self._structure.write(bindable)
            await self._execute(diff.membership(actual, bindable))
            self._last_worker = actual.pid
            draining = await self._depart(actual, bindable, drain_s)
            look_again_s = _DRAIN_LOOK_S if draining else None
            return Convergence(found.master, actual.tag, bindable, restructured, problems, look_again_s)

    async def sample(self) -> bool:
        """Take the counters of all workers, also of those that drain; whether any of those is left."""
        async with self._turn:
            worker, table = await self._runtime.statistics()
            old_workers: tuple[int, ...] = ()
            if worker != self._alone:
                old_workers = (await self._master.processes()).old_workers
                self._alone = None if old_workers else worker
            return await self._take(worker, table, old_workers)

    async def master_pid(self) -> int | None:
        """Pid of the serving master, or None."""
        found = await self._master.adopt()
        return found.master if found is not None else None

    async def stop(self, *, soft_s: float) -> None:
        """Stop HAProxy, letting connections finish for at most ``soft_s`` seconds."""
        async with self._turn:
            await self._master.stop(soft_s=soft_s)

    async def _observe(self) -> tuple[running.Processes | None, running.Running | None]:
        found = await self._master.adopt()
        if found is not None:
            return found, await self._runtime.observe()
        if self._last_worker is not None:
            # A worker without its master ends by itself; until then it holds the ports.
            await processes.exited_within(self._last_worker, _DYING_S)
            self._last_worker = None
        return None, None

    async def _restructure(
        self, found: running.Processes | None, actual: running.Running | None, wanted: model.Model
    ) -> bool:
        """Start or reload if there is need; whether there was."""
        if found is None or actual is None:
            await self._structure.start(wanted)
            return True
        if not diff.needs_reload(actual, self._structure.tag(wanted)):
            await self._structure.write(wanted)
            return False
        worker, table = await self._runtime.statistics()
        await self._take(worker, table, found.old_workers)
        self._alone = None
        await self._structure.reload(wanted, "settings" if actual.ports == wanted.ports else "listeners")
        return True

    async def _depart(self, actual: running.Running, wanted: model.Model, drain_s: float) -> bool:
        """Drain and remove servers that left; whether any of them is still there."""
        keys = diff.departed(actual, wanted)
        now = self._clock.monotonic()
        self._deadlines = {key: self._deadlines.get(key, now + drain_s) for key in keys}
        if not keys:
            return False
        await self._execute(diff.farewell(actual, wanted, keys))
        worker, table = await self._runtime.statistics()
        rows = stats.parse(table)
        self.counters.observe(worker, rows)
        sessions = stats.sessions(rows)
        for key in keys:
            departure = diff.Departure(key, self._deadlines[key], sessions.get(key, 0))
            await self._remove(actual.pid, departure)
        return bool(self._deadlines)

    async def _remove(self, pid: int, departure: diff.Departure) -> None:
        changes = diff.removal(departure, self._clock.monotonic())
        if not changes:
            return
        try:
            await self._execute(changes)
        except runtime.Busy:
            # Its last session is still ending, or has left idle connections; the next look removes it.
            await self._execute(diff.release(departure.key))
            return
        self.counters.forget_server(pid, departure.key)
        del self._deadlines[departure.key]
        _log.info("server_removed", backend=departure.key[0], server=departure.key[1])

    async def _take(self, worker: int, table: str, old_workers: tuple[int, ...]) -> bool:
        for pid in old_workers:
            try:
                rows = stats.parse(await self._master.old_worker_statistics(pid))
            except runtime.Unreachable:
                continue  # it ended between the list and the question
            self.counters.observe(pid, rows)
        self.counters.observe(worker, stats.parse(table))
        self.counters.keep_workers(frozenset({*old_workers, worker}))
        return bool(old_workers)

    async def _execute(self, changes: Iterable[diff.Change]) -> None:
        for change in changes:
            await self._carry_out(change)
            self._meters.runtime_ops.labels(type(change).__name__).inc()

    async def _carry_out(self, change: diff.Change) -> None:
        match change:
            case diff.AddServer(listener, server):
                await self._runtime.add_server(listener.backend, server, render.server_options(listener))
            case diff.ComputeCookies(backend):
                await self._runtime.compute_cookies(backend)
            case diff.SetAddress(key, address, port):
                await self._runtime.set_address(key, address, port)
            case diff.SetState(key, admin):
                await self._runtime.set_state(key, admin)
            case diff.ShutdownSessions(key):
                await self._runtime.shutdown_sessions(key)
            case diff.DeleteServer(key):
                await self._runtime.delete_server(key)
