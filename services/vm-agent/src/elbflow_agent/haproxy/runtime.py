"""Typed client of HAProxy's runtime API over its unix sockets (spec/vm-agent-data-plane 3.3).

One connection per command: it costs nothing measurable (spec/perf-baselines 7) and a restart of HAProxy cannot leave a
session half-open.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from elbflow import errors
from elbflow_agent.haproxy import orders, running, steps

_LONGEST_LINE = 12_000
_LARGE = 1_000_000
"""Characters of an answer: of thousands of servers."""
_LOOK = ("show info", "show servers state", "show stat -1 1 -1")
_COUNT = ("show info", "show stat")
_INFO = "Name: HAProxy\n"
"""How the answer to ``show info`` begins, and no other."""


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
    return _paragraphs(text, commands, socket.name)


def _paragraphs(text: str, commands: Sequence[str], origin: str) -> list[str]:
    *answers, _ = text.split("\n\n")  # it is made sure that it ends so
    if len(answers) != len(commands):
        raise Unreachable(f"{origin}: {len(answers)} answers to {len(commands)} commands")
    return answers


async def tell(socket: Path, *commands: str, timeout_s: float) -> None:
    """Have commands carried out with one question, whatever is answered; raises :class:`Unreachable`."""
    await _converse(socket, ";".join(map(_one, commands)), end="\n", timeout_s=timeout_s)


async def listens(socket: Path) -> bool:
    """Whether somebody accepts connections on a unix socket."""
    try:
        transport, _ = await asyncio.get_running_loop().create_unix_connection(asyncio.Protocol, str(socket))
    except OSError:
        return False
    transport.close()
    return True


def _one(command: str) -> str:
    if "\n" in command or ";" in command:
        raise errors.Defect(f"more than one command in {command!r}")
    return command


async def _converse(socket: Path, line: str, *, end: str, timeout_s: float) -> str:
    # Bare protocols: streams would cost twice as much, and hundreds of HAProxys are asked by one process.
    transport: asyncio.BaseTransport | None = None
    answer: _Answer | None = None
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
        transport = answer = None  # an error in the answer would refer to itself through this frame
    if len(text) > _LARGE:
        await asyncio.sleep(0)  # to put it together took its time
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
        return await _observed(await self._ask_all(*_LOOK))

    async def statistics(self) -> tuple[int, str]:
        """Pid of the worker that answers, and its ``show stat`` as CSV."""
        info, table = await self._ask_all(*_COUNT)
        return running.parse_info(info)[1], table

    async def carry_out(self, *given: orders.Order) -> None:
        """Carry out all ``given`` in turn, also after one that HAProxy refuses.

        Raises :class:`Busy` or :class:`Refused` for the first refused one then.
        """
        _require_obeyed(given, await self.attempt(*given))

    async def carry_out_and_observe(self, *given: orders.Order) -> running.Running:
        """:meth:`carry_out` and then :meth:`observe`, in one conversation where they fit."""
        return await _observed(await self._carry_out_and_ask(given, *_LOOK))

    async def carry_out_and_count(self, *given: orders.Order) -> tuple[int, str]:
        """:meth:`carry_out` and then :meth:`statistics`, in one conversation where they fit."""
        info, table = await self._carry_out_and_ask(given, *_COUNT)
        return running.parse_info(info)[1], table

    async def attempt(self, *given: orders.Order) -> list[str]:
        """Answers to all ``given``, carried out in turn, many with one question."""
        answers: list[str] = []
        for lot in _lots(given):
            text = await _converse(self._socket, _line(lot), end="\n", timeout_s=self._timeout_s)
            answers += split(text, lot, self._socket.name)
        return answers

    async def _carry_out_and_ask(self, given: Sequence[orders.Order], *commands: str) -> list[str]:
        *lots, last = [*_lots(given)] or [[]]
        for lot in lots:
            await self.carry_out(*lot)
        line = ";".join((*(_line(last),) * bool(last), *commands))
        text = await _converse(self._socket, line, end="\n\n", timeout_s=self._timeout_s)
        before, begin, shown = text.partition(_INFO)
        if last:
            _require_obeyed(last, split(before, last, self._socket.name))
        return _paragraphs(begin + shown, commands, self._socket.name)

    async def say(self, command: str, payload: str = "") -> str:
        """The answer to one command, however long; ``payload`` are lines to go with it, none of them empty."""
        line = _one(command)
        if payload:
            if "\n\n" in payload or not payload.endswith("\n"):
                raise errors.Defect(f"the payload of {command!r} ends before its end")
            line = f"{line} <<\n{payload}"
        return (await _converse(self._socket, line, end="\n", timeout_s=self._timeout_s)).strip()

    async def _ask_all(self, *commands: str) -> list[str]:
        return await ask_all(self._socket, *commands, timeout_s=self._timeout_s)


async def _observed(shown: Sequence[str]) -> running.Running:
    info, table, frontends = shown
    tag, pid = running.parse_info(info)
    servers = await steps.in_turns(running.parsing_servers(table))
    return running.Running(tag, pid, servers, running.parse_frontends(frontends))


def _require_obeyed(given: Sequence[orders.Order], answers: Sequence[str]) -> None:
    for order, answer in zip(given, answers, strict=True):
        if not order.obeyed(answer):
            raise (Busy if is_busy(answer) else Refused)(f"{order.command}: {answer or 'empty answer'}")


def _line(given: Sequence[orders.Order]) -> str:
    return ";".join(_one(order.command) for order in given)


def is_busy(answer: str) -> bool:
    """Whether the answer to a deletion says that the server still has connections."""
    return "still has connections" in answer


def _lots(given: Sequence[orders.Order]) -> Iterator[list[orders.Order]]:
    """HAProxy reads a line of commands into one buffer."""
    lot: list[orders.Order] = []
    length = 0
    for order in given:
        if lot and length + len(order.command) > _LONGEST_LINE:
            yield lot
            lot, length = [], 0
        lot.append(order)
        length += len(order.command) + 1
    if lot:
        yield lot


def split(text: str, lot: Sequence[orders.Order], origin: str) -> list[str]:
    """The answers of at most one line each; raises :class:`Unreachable` when there are not as many as orders."""
    lines = deque(text.removesuffix("\n").split("\n"))
    answers: list[str] = []
    for order in lot:
        while order.success and len(lines) > 1 and not lines[0]:
            lines.popleft()  # such an order is never answered by nothing
        if not lines:
            raise Unreachable(f"{origin}: {len(answers)} answers to {len(lot)} commands")
        answers.append(lines.popleft().strip())
        if answers[-1] and not order.is_terse and lines and not lines[0]:
            lines.popleft()
    return answers
