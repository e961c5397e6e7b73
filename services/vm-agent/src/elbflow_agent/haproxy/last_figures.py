"""Connections into workers that reloads replace, so that none ends before its last figures are read (REQ-5.6).

HAProxy lets an old worker end with its last session, and a session on its own socket is one, if it began before the
reload. So the worker is asked until nothing but our own session is left, and then let go. When the agent dies, its
connections do too, and the worker ends as if nobody had asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from elbflow_agent.haproxy import running, runtime

_PROMPT = b"\n> "
_LONGEST_ANSWER = 64 * 1024 * 1024
_ANSWER_S = 2.0
_OURS = 1
"""Sessions of a worker that only waits for us to leave."""


class _Line:
    """A session with one worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.has_finished = False

    async def ask(self, *commands: str) -> list[str]:
        """Answers to the commands, one directly after the other. Raises :class:`runtime.Unreachable`."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                # A line each: HAProxy 3.2 shows its prompt once per line.
                self._writer.write("".join(f"{command}\n" for command in commands).encode())
                answers = [await self._reader.readuntil(_PROMPT) for _ in commands]
        except (OSError, EOFError, TimeoutError) as error:
            raise runtime.Unreachable(f"a held worker: {type(error).__name__} {error}".rstrip()) from error
        return [answer.removesuffix(_PROMPT).decode(errors="replace") for answer in answers]

    def close(self) -> None:
        self._writer.close()


class LastFigures:
    """The workers of one HAProxy that are held, by pid; one caller at a time."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._lines: dict[int, _Line] = {}

    @property
    def finished(self) -> bool:
        """Whether some wait for :meth:`let_go`: their last figures were read."""
        return any(line.has_finished for line in self._lines.values())

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the worker that is replaced in the block; when the block fails, it was not. It need not be reachable."""
        pid = await self._hold()
        try:
            yield
        except BaseException:
            if pid is not None:
                self.release(pid)
            raise

    async def of(self, pid: int) -> str | None:
        """``show stat`` of worker ``pid``, the last one when it has :attr:`finished`; None when it is not held."""
        line = self._lines.get(pid)
        if line is None:
            return None
        try:
            info, table = await line.ask("show info", "show stat")
        except runtime.Unreachable:
            self.release(pid)
            return None
        if _sessions(info) <= _OURS:  # nothing was left to count when the table was asked for
            line.has_finished = True
        return table

    def release(self, pid: int) -> None:
        """Let worker ``pid`` end. Idempotent."""
        line = self._lines.pop(pid, None)
        if line is not None:
            line.close()

    def let_go(self) -> None:
        """Let all that have finished end."""
        for pid in [pid for pid, line in self._lines.items() if line.has_finished]:
            self.release(pid)

    def keep(self, pids: Collection[int]) -> None:
        """Only workers ``pids`` are left."""
        for pid in [pid for pid in self._lines if pid not in pids]:
            self.release(pid)

    async def _hold(self) -> int | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                line = _Line(*await asyncio.open_unix_connection(self._socket, limit=_LONGEST_ANSWER))
        except (OSError, TimeoutError):
            return None
        try:
            _, info = await line.ask("prompt", "show info")
            _, pid = running.parse_info(info)
        except (runtime.Unreachable, running.Unreadable):
            line.close()
            return None
        self.release(pid)
        self._lines[pid] = line
        return pid


def _sessions(info: str) -> int:
    """How many sessions a worker that stops has yet: all its jobs but its listener for the master."""
    fields = dict(line.partition(": ")[::2] for line in info.splitlines())
    try:
        return int(fields["Jobs"]) - int(fields["Unstoppable Jobs"])
    except (KeyError, ValueError):
        return 0  # unknown: it is not held for ever
