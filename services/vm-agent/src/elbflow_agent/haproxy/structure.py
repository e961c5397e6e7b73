"""What only a start or a reload can change: listeners, policies, timeouts (REQ-3.3).

A configuration is checked before the running process hears of it, and the file on disk is the one that runs: it is put
back when a start or reload fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import structlog

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import files, meters
from elbflow_agent.haproxy import check, keys, master, model, place, ports, render

_log = structlog.get_logger(__name__)
_PORT_RETRIES = 3
_PORT_RETRY_S = 0.1
_LISTEN_S = 5.0
_PROBE_S = 1.0
_NONE = frozenset[int]()

Problems: TypeAlias = tuple[document.ListenerProblem, ...]


class NotListening(errors.Retryable):
    """HAProxy runs but does not accept connections on a listener."""


class Structure:
    """Starts and reloads the HAProxy of one place; one caller at a time."""

    def __init__(
        self,
        where: place.Place,
        process: master.Master,
        held: keys.Keys,
        *,
        binary: str,
        limits: place.Limits,
        time: clock.Clock,
        instruments: meters.Meters,
    ) -> None:
        self._where = where
        self._master = process
        self._keys = held
        self._binary = binary
        self._limits = limits
        self._clock = time
        self._meters = instruments
        self.reloads = 0
        self._obstructed = _NONE
        self._tagged: tuple[model.Model | None, model.Model | None, str] = (None, None, "")

    def tag(self, wanted: model.Model) -> str:
        """Version tag under which ``wanted`` runs."""
        before, frame, tag = self._tagged
        if wanted is before:  # asked several times in one pass
            return tag
        # Making it takes the whole text, and most changes leave it as it is.
        now = wanted.without_servers()
        if now != frame:
            frame, tag = now, render.tag(wanted, self._where, self._limits)
        self._tagged = (wanted, frame, tag)
        return tag

    async def bindable(self, wanted: model.Model, served: frozenset[int]) -> tuple[model.Model, Problems]:
        """``wanted`` less the listeners whose port cannot be bound; ``served`` are the ports HAProxy has already."""
        new = sorted(wanted.ports - served)
        obstacles = _obstacles(wanted, new, self._limits.low_ports)
        for _ in range(_PORT_RETRIES):
            if obstacles.keys() <= self._obstructed:
                break
            # News: an old worker may be about to let go of a port that was removed a moment ago.
            await self._clock.sleep(_PORT_RETRY_S)
            obstacles = _obstacles(wanted, new, self._limits.low_ports)
        self._obstructed = frozenset(obstacles) or _NONE
        problems = tuple(document.ListenerProblem(port, reason) for port, reason in obstacles.items())
        return wanted.without_ports(self._obstructed), problems

    def obstructed(self, wanted: model.Model, candidates: Iterable[int]) -> Problems:
        """Which of the ports cannot be bound at this instant, and why."""
        found = _obstacles(wanted, sorted(candidates), self._limits.low_ports)
        return tuple(document.ListenerProblem(port, reason) for port, reason in found.items())

    async def checked(self, wanted: model.Model) -> tuple[model.Model, Problems]:
        """``wanted`` less the listeners that HAProxy refuses; they are tried singly only if the whole is refused.

        Raises :class:`check.InvalidConfiguration` when no single listener is to blame. Without listeners there is
        nothing of users in it: a new VM comes up without the check, which costs as much as the start itself.
        """
        if not wanted.ports:
            return wanted, ()
        try:
            await self._try(wanted)
        except check.InvalidConfiguration as error:
            problems = await self._refused(wanted)
            if not problems:
                raise
            _log.error("haproxy_configuration_refused", reason=str(error), ports=[each.port for each in problems])
            reduced = wanted.without_ports(frozenset(each.port for each in problems))
            await self._try(reduced)
            return reduced, problems
        return wanted, ()

    async def refused(self, wanted: model.Model) -> Problems:
        """Which listeners HAProxy would refuse; not those whose certificates are not there."""
        _, problems = await self.checked(wanted.without_ports(self._keys.without(wanted)))
        return problems

    async def write(self, wanted: model.Model) -> None:
        """Make the file on disk agree with what runs or is about to run."""
        text = render.render(wanted, self._where, self._limits, self.tag(wanted))
        await files.update(self._where.configuration, text.encode())

    async def start(self, wanted: model.Model) -> None:
        """Start HAProxy with ``wanted``; returns when every listener accepts connections."""
        await self._keys.write(wanted)
        await self.write(wanted)
        found = await self._master.start()
        self._meters.starts.inc()
        await self._keys.prune(wanted)
        _log.info("haproxy_started", master=found.master, worker=found.worker)
        await self._await_listening(wanted)

    async def reload(self, wanted: model.Model, reason: str) -> None:
        """Replace the worker by one that serves ``wanted``; returns when every listener accepts connections.

        On failure the previous worker serves on with its own file on disk.
        """
        previous = await files.read(self._where.configuration)
        former = await self._keys.write(wanted)
        await self.write(wanted)
        try:
            found = await self._master.reload(self.tag(wanted))
        except errors.Retryable:
            if previous is not None:
                await files.update(self._where.configuration, previous)
            await self._keys.restore(former)
            raise
        await self._keys.prune(wanted)
        self.reloads += 1
        self._meters.reloads.labels(reason).inc()
        _log.info("haproxy_reloaded", reason=reason, master=found.master, worker=found.worker)
        await self._await_listening(wanted)

    async def _try(self, wanted: model.Model) -> None:
        async with self._keys.staged(wanted) as apart:
            text = render.render(wanted, apart, self._limits)
            await files.exchange(self._where.candidate, text.encode())
            await check.check(self._binary, self._where.candidate)

    async def _refused(self, wanted: model.Model) -> Problems:
        problems = []
        for port in sorted(wanted.ports):
            try:
                await self._try(wanted.without_ports(wanted.ports - {port}))
            except check.InvalidConfiguration as reason:
                problems.append(document.ListenerProblem(port, f"HAProxy refuses the listener: {self._public(reason)}"))
        return tuple(problems)

    def _public(self, reason: Exception) -> str:
        """The reason without where our files are: it is shown to the load balancer's owner."""
        text = str(reason)
        for directory in (self._where.apart.key_directory, self._where.directory):
            text = text.replace(f"{directory}/", "")
        return text

    async def _await_listening(self, wanted: model.Model) -> None:
        deadline = self._clock.monotonic() + _LISTEN_S
        for address in wanted.addresses:
            missing = sorted(wanted.ports)
            while missing := await ports.silent(address, missing, timeout_s=_PROBE_S):
                if self._clock.monotonic() >= deadline:
                    raise NotListening(f"HAProxy does not accept connections on {address} ports {missing}")
                await self._clock.sleep(_PORT_RETRY_S)


def _obstacles(wanted: model.Model, candidates: Iterable[int], may_bind: bool) -> dict[int, str]:
    """Why ports cannot be bound on all addresses: a listener is served on each of them or on none."""
    found: dict[int, str] = {}
    for port in candidates:
        for address in wanted.addresses:
            reason = ports.obstacle(address, port, may_bind)
            if reason is not None:
                found[port] = reason if address == wanted.address else f"{reason} ({address})"
                break
    return found
