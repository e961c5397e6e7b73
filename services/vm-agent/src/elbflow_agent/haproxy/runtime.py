"""Typed client of HAProxy's runtime API over its unix sockets (spec/vm-agent-data-plane 3.3).

One connection per command: it costs nothing measurable (spec/perf-baselines 7) and a restart of HAProxy cannot leave a
session half-open.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from elbflow import errors
from elbflow_agent.haproxy import model, running

_WEIGHT = range(257)


class Unreachable(errors.Retryable):
    """HAProxy does not answer on its socket."""


class Refused(errors.Retryable):
    """HAProxy refused a runtime command."""


class Busy(Refused):
    """The server still has connections and cannot be removed."""


class _Answer(asyncio.Protocol):
    """Sends ``request`` and collects what comes until the other side closes."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._chunks: list[bytes] = []
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast(asyncio.WriteTransport, transport)  # uvloop's are none by inheritance
        writing.write(self._request)
        writing.write_eof()  # the master's socket answers only when it knows that nothing follows

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.whole.done():
            return
        if error is None:
            self.whole.set_result(b"".join(self._chunks))
        else:
            self.whole.set_exception(error)


async def ask(socket: Path, command: str, *, timeout_s: float) -> str:
    """Send a command that answers in one line at most and return that; raises :class:`Unreachable`, also without one.

    Cancellation closes the connection; the command may or may not have been carried out.
    """
    return await _converse(socket, _one(command), end="\n", timeout_s=timeout_s)


async def ask_all(socket: Path, *commands: str, timeout_s: float) -> list[str]:
    """Answers of several commands that each answer in one paragraph, all by the same worker at one instant.

    Raises :class:`Unreachable` also when there are not as many answers, or when the last is cut off.
    """
    text = await _converse(socket, ";".join(map(_one, commands)), end="\n\n", timeout_s=timeout_s)
    answers = text.removesuffix("\n").removesuffix("\n").split("\n\n")
    if len(answers) != len(commands):
        raise Unreachable(f"{socket.name}: {len(answers)} answers to {len(commands)} commands")
    return answers


def _one(command: str) -> str:
    if "\n" in command or ";" in command:
        raise errors.Defect(f"more than one command in {command!r}")
    return command


async def _converse(socket: Path, line: str, *, end: str, timeout_s: float) -> str:
    # Bare protocols: streams would cost twice as much, and hundreds of HAProxys are asked by one process.
    transport: asyncio.BaseTransport | None = None
    try:
        async with asyncio.timeout(timeout_s):
            transport, answer = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Answer(line.encode() + b"\n"), str(socket)
            )
            text = (await answer.whole).decode(errors="replace")
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{socket.name}: {type(error).__name__} {error}".rstrip()) from error
    finally:
        if transport is not None:
            transport.close()
    if not text.endswith(end):  # a worker that is killed, for one, closes before
        raise Unreachable(f"{socket.name}: the answer is cut off after {len(text)} characters")
    return text


class Runtime:
    """The serving worker's admin socket."""

    def __init__(self, socket: Path, *, timeout_s: float = 5.0) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    async def info(self) -> tuple[str, int]:
        """Version tag and pid of the worker that answers."""
        (info,) = await self._ask_all("show info")
        return running.parse_info(info)

    async def observe(self) -> running.Running:
        """Version tag, pid, servers and the ports of the listeners."""
        info, servers, frontends = await self._ask_all("show info", "show servers state", "show stat -1 1 -1")
        tag, pid = running.parse_info(info)
        return running.Running(tag, pid, running.parse_servers(servers), running.parse_frontends(frontends))

    async def statistics(self) -> tuple[int, str]:
        """Pid of the worker that answers, and its ``show stat`` as CSV."""
        info, table = await self._ask_all("show info", "show stat")
        return running.parse_info(info)[1], table

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

    async def _ask_all(self, *commands: str) -> list[str]:
        return await ask_all(self._socket, *commands, timeout_s=self._timeout_s)

    async def _ask(self, command: str) -> str:
        return await ask(self._socket, command, timeout_s=self._timeout_s)


def _path(key: running.ServerKey) -> str:
    return f"{key[0]}/{key[1]}"


def _require(command: str, answer: str, expected: str) -> None:
    if answer != expected:
        raise Refused(f"{command}: {answer or 'empty answer'}")
