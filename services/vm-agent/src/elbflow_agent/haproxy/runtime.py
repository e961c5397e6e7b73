"""Typed client of HAProxy's runtime API over its unix sockets (spec/vm-agent-data-plane 3.3).

One connection per command: it costs nothing measurable (spec/perf-baselines 7) and a restart of HAProxy cannot leave a
session half-open.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from elbflow import errors
from elbflow_agent.haproxy import model, running

_WEIGHT = range(257)
_LONGEST_ANSWER = 64 * 1024 * 1024


class Unreachable(errors.Retryable):
    """HAProxy does not answer on its socket."""


class Refused(errors.Retryable):
    """HAProxy refused a runtime command."""


class Busy(Refused):
    """The server still has connections and cannot be removed."""


async def ask(socket: Path, command: str, *, timeout_s: float) -> str:
    """Send one command line and return the whole answer; raises :class:`Unreachable`.

    Cancellation closes the connection; the command may or may not have been carried out.
    """
    if "\n" in command or ";" in command:
        raise errors.Defect(f"more than one command in {command!r}")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            writer.write(command.encode() + b"\n")
            writer.write_eof()  # the master's socket answers only when it knows that nothing follows
            answer = await reader.read(_LONGEST_ANSWER)
            while chunk := await reader.read(_LONGEST_ANSWER):
                answer += chunk
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{socket.name}: {type(error).__name__} {error}".rstrip()) from error
    finally:
        if writer is not None:
            writer.close()
    return answer.decode(errors="replace")


class Runtime:
    """The serving worker's admin socket."""

    def __init__(self, socket: Path, *, timeout_s: float = 5.0) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    async def info(self) -> tuple[str, int]:
        """Version tag and pid of the worker that answers."""
        return running.parse_info(await self._ask("show info"))

    async def observe(self) -> running.Running:
        """Version tag, pid and servers."""
        tag, pid = await self.info()
        return running.Running(tag, pid, running.parse_servers(await self._ask("show servers state")))

    async def statistics(self) -> str:
        """``show stat`` as CSV."""
        return await self._ask("show stat")

    async def frontends(self) -> frozenset[int]:
        """Ports of the listeners this worker has."""
        names = (line.partition(",")[0] for line in (await self._ask("show stat -1 1 -1")).splitlines())
        return frozenset(port for name in names if (port := model.port_of(name)) is not None)

    async def add_server(self, backend: str, server: model.Server, options: str) -> None:
        """Add a server in maintenance; an existing one is an error."""
        command = f"add server {backend}/{server.name} {server.address}:{server.port} {options}".rstrip()
        await self._expect(command, "New server registered.")

    async def delete_server(self, key: running.ServerKey) -> None:
        """Remove a server that is in maintenance; raises :class:`Busy` while it has connections."""
        command = f"del server {_path(key)}"
        answer = (await self._ask(command)).strip()
        if "still has connections" in answer:
            raise Busy(f"{command}: {answer}")
        _require(command, answer, "Server deleted.")

    async def set_state(self, key: running.ServerKey, admin: model.Admin) -> None:
        await self._expect(f"set server {_path(key)} state {admin.value}", "")

    async def enable_server(self, key: running.ServerKey) -> None:
        await self._expect(f"enable server {_path(key)}", "")

    async def disable_server(self, key: running.ServerKey) -> None:
        await self._expect(f"disable server {_path(key)}", "")

    async def set_address(self, key: running.ServerKey, address: str, port: int) -> None:
        """Move a server to another address; sessions in progress stay where they are."""
        command = f"set server {_path(key)} addr {address} port {port}"
        answer = (await self._ask(command)).strip()
        if not answer.startswith(("IP changed", "port changed", "no need to change")):
            raise Refused(f"{command}: {answer}")

    async def set_weight(self, key: running.ServerKey, weight: int) -> None:
        if weight not in _WEIGHT:
            raise errors.Defect(f"weight {weight} is not between 0 and 256")
        await self._expect(f"set server {_path(key)} weight {weight}", "")

    async def shutdown_sessions(self, key: running.ServerKey) -> None:
        """Close every session of a server."""
        await self._expect(f"shutdown sessions server {_path(key)}", "")

    async def compute_cookies(self, backend: str) -> None:
        """Give servers that were added at run time their cookie value."""
        await self._expect(f"enable dynamic-cookie backend {backend}", "")

    async def _expect(self, command: str, expected: str) -> None:
        _require(command, (await self._ask(command)).strip(), expected)

    async def _ask(self, command: str) -> str:
        return await ask(self._socket, command, timeout_s=self._timeout_s)


def _path(key: running.ServerKey) -> str:
    return f"{key[0]}/{key[1]}"


def _require(command: str, answer: str, expected: str) -> None:
    if answer != expected:
        raise Refused(f"{command}: {answer or 'empty answer'}")
