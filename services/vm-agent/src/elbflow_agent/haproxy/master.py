"""The HAProxy master process: start, adopt, reload, stop (spec/vm-agent REQ-3.3, spec/perf-baselines facts 7 and 8).

HAProxy is started as a daemon in a session of its own, so it survives the agent; everything after that goes through
its sockets and is the same for an adopted process. One caller at a time: :class:`~elbflow_agent.haproxy.apply.Applier`
serialises.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import BinaryIO

import structlog

from elbflow import clock, errors
from elbflow_agent import files
from elbflow_agent.haproxy import check, commands, logs, place, processes, running, runtime

_log = structlog.get_logger(__name__)
_START_S = 20.0
_ANSWER_S = 10.0
_SOCKET_S = 2.0
_ATTEMPTS_S = (1.0, 2.0, 4.0, 8.0)
_POLL_S = 0.005
_LIFE_LOOK_S = 0.05
PATIENCE_S = 5.0
RELOAD_SPACING_S = 0.15
"""HAProxy 2.6 loses a reload that comes 10 to 60 ms after another, or right after its start."""
_RELOAD_LOOKS_S = (0.02, 0.01)
"""When to look for the new worker: first, and then again and again. A master that is asked works the slower."""
_TERMINATE_S = 2.0
_SOFT_STOPS_S = (0.5, 1.0, 2.0)
"""How long each signal to stop softly is waited for: one that comes right after a start or reload may be lost too."""
_ORDERS_AT_ONCE = 100
MEMORY = "-dMglobal,no-tag"
"""What a request needed is kept for the next one instead of being asked of the C library again, in whatever the
connections of a moment need beyond 512 KiB. It is for that, not to debug: tags behind each object are left out."""
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StartFailed(errors.Retryable):
    """HAProxy did not start."""


class ReloadRefused(errors.Retryable):
    """HAProxy kept its previous configuration because the new one did not load."""


class ReloadLost(errors.Retryable):
    """HAProxy took no notice of repeated reload requests."""


class Unresponsive(errors.Retryable):
    """HAProxy serves, but does not let itself be changed."""


class Master:
    """Handle of the HAProxy of one :class:`place.Place`; holds no process, only addresses."""

    def __init__(self, where: place.Place, *, binary: str, time: clock.Clock) -> None:
        self._where = where
        self._binary = binary
        self._clock = time
        self._runtime = runtime.Runtime(where.admin_socket)
        self._disturbed_at = time.monotonic()  # whoever came before us may have reloaded just now

    async def adopt(self) -> running.Processes | None:
        """The running HAProxy of this place, or None when there is none that serves."""
        try:
            found = await self.processes()
        except (runtime.Unreachable, running.Unreadable):
            return None
        return found if found.worker is not None else None

    async def found(self) -> running.Processes | None:
        """Like :meth:`adopt`, but one that lives is given time to answer, before it is taken for dead and replaced.

        It may be loading a configuration for an agent that was killed meanwhile, or the machine may be overloaded.
        Raises :class:`Unresponsive` when the master goes on being silent while its worker serves.
        """
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            found = await self.adopt()
            if found is not None:
                return found
            pid = await self._recorded()
            if pid is None or await processes.exited_within(pid, _LIFE_LOOK_S):
                return None
            if self._clock.monotonic() >= deadline:
                break
        if await self._serving_pid() is not None:
            raise Unresponsive(f"HAProxy's master {pid} does not answer; its worker serves")
        return None

    async def processes(self) -> running.Processes:
        """``show proc``; raises :class:`runtime.Unreachable` when no master answers."""
        return running.parse_processes(await self._shown("show proc"))

    async def start(self) -> running.Processes:
        """Start HAProxy with the configuration in place and wait until it answers; raises :class:`StartFailed`.

        Cancellation leaves HAProxy either not started or running, to be found by :meth:`adopt` and :meth:`stop`.
        """
        await self._remove_remains()
        starting = asyncio.create_task(self._come_up(), name="haproxy-start")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A daemon that comes up after everybody has left would be nobody's.
            await asyncio.gather(starting, return_exceptions=True)
            raise

    async def reload(self, tag: str) -> running.Processes:
        """Load the configuration in place, whose version tag is ``tag``, and wait until its worker serves.

        HAProxy loses reload requests that come too close together, so the tag decides and a lost request is repeated.
        Raises :class:`ReloadRefused` or :class:`ReloadLost`; the previous worker serves on in both cases.
        """
        before = await self.processes()
        for attempt, patience_s in enumerate(_ATTEMPTS_S, 1):
            await self._settle()
            await self._request_reload()
            found = await self._loaded(tag, before, patience_s)
            if found is not None:
                return found
            _log.warning("haproxy_reload_lost", master=before.master, attempt=attempt)
        raise ReloadLost

    async def stop(self, *, soft_s: float) -> None:
        """Let connections finish for at most ``soft_s`` seconds, then terminate. No HAProxy is fine."""
        found = await self.adopt()
        pid = found.master if found is not None else await self._recorded()
        if pid is None:
            return
        for number, patience_s in ((signal.SIGUSR1, soft_s), (signal.SIGTERM, _TERMINATE_S)):
            processes.send(pid, number)
            if await processes.exited_within(pid, patience_s):
                return
        processes.send(pid, signal.SIGKILL, group=True)
        await processes.exited_within(pid, _TERMINATE_S)

    async def soft_stop(self) -> int | None:
        """Have HAProxy end with its last connection; returns when it accepts none any more. May be repeated.

        Its master's pid, or None when no HAProxy runs.
        """
        found = await self.adopt()
        pid = found.master if found is not None else await self._recorded()
        if pid is None:
            return None
        await self._settle()
        for patience_s in _SOFT_STOPS_S:
            processes.send(pid, signal.SIGUSR1)
            if await self._silent_within(pid, patience_s):
                return pid
        _log.warning("haproxy_does_not_stop", master=pid)
        return pid

    async def old_worker_statistics(self, pid: int) -> str:
        """``show stat`` of a worker that drains."""
        return await self._shown(f"@!{pid} show stat")

    async def old_worker_sessions(self, pid: int) -> str:
        """``show sess`` of a worker that drains."""
        return await self._shown(f"@!{pid} show sess")

    async def tell_old_worker(self, pid: int, *orders: str) -> None:
        """Have a worker that drains carry out commands, whatever it says to them."""
        for at in range(0, len(orders), _ORDERS_AT_ONCE):
            line = tuple(f"@!{pid} {order}" for order in orders[at : at + _ORDERS_AT_ONCE])
            await runtime.tell(self._where.master_socket, *line, timeout_s=_SOCKET_S)

    async def _silent_within(self, pid: int, patience_s: float) -> bool:
        """Whether HAProxy has let go of its listeners, all at one instant: the admin socket is one of them."""
        deadline = self._clock.monotonic() + patience_s
        while not await processes.exited_within(pid, _POLL_S):
            if not await runtime.listens(self._where.admin_socket):
                return True
            if self._clock.monotonic() >= deadline:
                return False
        return True

    async def _recorded(self) -> int | None:
        return await asyncio.to_thread(processes.recorded, self._where.pid_file, self._where.configuration)

    async def _remove_remains(self) -> None:
        """A master that lives but does not serve holds the sockets of the next one."""
        pid = await self._recorded()
        if pid is not None:
            _log.warning("haproxy_unresponsive_killed", master=pid)
            processes.send(pid, signal.SIGKILL, group=True)
            await processes.exited_within(pid, _TERMINATE_S)

    async def _come_up(self) -> running.Processes:
        code = await self._spawn()
        if code != 0:
            output = await files.read(self._where.log) or b""
            raise StartFailed(check.reason(output.decode(errors="replace"), code))
        deadline = self._clock.monotonic() + _ANSWER_S
        while self._clock.monotonic() < deadline:
            found = await self.adopt()
            if found is not None and await self._serving_pid() == found.worker:
                self._disturbed_at = self._clock.monotonic()
                return found
            await self._clock.sleep(_POLL_S)
        raise StartFailed(f"HAProxy does not answer {_ANSWER_S:g} s after its start")

    async def _spawn(self) -> int:
        where = self._where
        # The daemon keeps this file open as its standard error, so it must not be a pipe.
        with await asyncio.to_thread(_open_private, where.log) as output:
            program = (
                self._binary,
                *("-W", "-D", MEMORY, "-f", str(where.configuration), "-p", str(where.pid_file)),
                *("-S", f"{where.master_socket},mode,600"),
            )
            try:
                return await commands.run(
                    logs.command(program, where.log_pipe),
                    output=output.fileno(),
                    timeout_s=_START_S,
                    environment={"PATH": _SEARCH_PATH},  # credentials in ours are none of HAProxy's business
                    own_session=True,
                )
            except TimeoutError as error:
                raise StartFailed(f"HAProxy did not come up in {_START_S:g} s") from error

    async def _settle(self) -> None:
        """Wait until the last start or reload is long enough ago for the next to be heard."""
        await self._clock.sleep(max(0.0, self._disturbed_at + RELOAD_SPACING_S - self._clock.monotonic()))
        self._disturbed_at = self._clock.monotonic()

    async def _request_reload(self) -> None:
        try:
            await runtime.ask(self._where.master_socket, "reload", timeout_s=_SOCKET_S)
        except runtime.Unreachable:
            # The master replaces itself while it answers; whether it heard us shows in the tag.
            return

    async def _loaded(self, tag: str, before: running.Processes, patience_s: float) -> running.Processes | None:
        deadline = self._clock.monotonic() + patience_s
        pause_s, later_s = _RELOAD_LOOKS_S
        while self._clock.monotonic() < deadline:
            await self._clock.sleep(pause_s)
            pause_s = later_s
            found = await self.adopt()
            if found is None:
                continue
            if found.failed_reloads > before.failed_reloads:
                raise ReloadRefused
            if found.worker != before.worker and await self._serving_pid(tag) == found.worker:
                return found
        return None

    async def _serving_pid(self, tag: str | None = None) -> int | None:
        """Pid of the worker behind the admin socket, provided that it has ``tag``."""
        try:
            found, pid = await self._runtime.info()
        except (runtime.Unreachable, running.Unreadable):
            return None
        return pid if tag is None or found == tag else None

    async def _shown(self, command: str) -> str:
        (answer,) = await runtime.ask_all(self._where.master_socket, command, timeout_s=_SOCKET_S)
        return answer


def _open_private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
