"""AWS's lines of parts, made beside the agent's own work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from elbflow import errors
from elbflow_agent.accesslog import lines, spool
from elbflow_agent.haproxy import commands

_TINY_BYTES = 64 * 1024
_COMMAND = (sys.executable, "-P", "-m", "elbflow_agent.accesslog.conversion")
_LOOK_S = 1.0
_SHOWN = 400
_MOST_TEXT = 2
"""AWS's lines are hardly ever more than so many times as long as HAProxy's. If they are, another attempt follows."""


@dataclass(frozen=True, slots=True)
class _Manner:
    niceness: int
    timeout_s: float


_PATIENT, _HASTY = _Manner(19, 300.0), _Manner(0, 60.0)


class NotConverted(errors.Retryable):
    """The process that converts failed, was killed, or got no time."""


class Converter:
    """Converts parts of ``parts``, large ones in a process, one at a time.

    HAProxy comes first: the process has the least share of a contended core that Linux knows, about a hundredth. That
    is never nothing, but may be too little. So after some minutes, or as soon as half of the spool is taken, it is
    given up for one that gets as much as anybody.
    """

    def __init__(self, parts: spool.Spool) -> None:
        self._spool = parts
        self._turn = asyncio.Lock()
        self._hurried = False

    def hurry(self) -> None:
        """Let nothing come first from now on: this process is about to leave."""
        self._hurried = True

    async def converted(self, path: Path, name: str, *, urgent: bool) -> lines.Converted:
        """The lines of load balancer ``name`` in ``path``; ``urgent`` ones come neither after others nor other work.

        Raises :class:`NotConverted` and OSError. Cancelled, or when this process dies, nothing is left.
        """
        size = (await asyncio.to_thread(path.stat)).st_size
        if size <= _TINY_BYTES:
            return await asyncio.to_thread(_convert, path, name)
        async with contextlib.nullcontext() if urgent else self._turn:
            text = path.with_suffix(".text")
            self._spool.count(text, size)  # about what it becomes
            try:
                for manner in (_HASTY,) if urgent or self._presses() else (_PATIENT, _HASTY):
                    found = await self._in_process(path, size, name, manner)
                    if found is not None:
                        return found
                raise NotConverted(f"{path.name}: not within {_HASTY.timeout_s:g} s")
            finally:
                self._spool.count(text, 0)

    async def _in_process(self, path: Path, size: int, name: str, manner: _Manner) -> lines.Converted | None:
        """None when it took too long."""
        # Both files have no name: whatever happens to us, they are gone with us.
        with await asyncio.to_thread(_room, path.parent, size) as body, _memory() as told:
            running = commands.run(
                (*_COMMAND, str(path), name, str(os.getpid())),
                output=body.fileno(),
                errors=told.fileno(),
                timeout_s=manner.timeout_s,
                own_session=True,
                niceness=manner.niceness,
            )
            try:
                code = await self._while_nothing_presses(running) if manner is _PATIENT else await running
            except TimeoutError:
                return None
            return await asyncio.to_thread(_result, path, code, body, told)

    def _presses(self) -> bool:
        return self._hurried or self._spool.filling()

    async def _while_nothing_presses(self, running: Coroutine[None, None, int]) -> int:
        """Its result; raises TimeoutError, and ends it, when the spool fills or this process leaves meanwhile."""
        task = asyncio.create_task(running)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK_S)
                if not task.done() and self._presses():
                    raise TimeoutError
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _room(where: Path, size: int) -> IO[bytes]:
    """A file in ``where`` for what ``size`` bytes become, in memory when the disk is full: that storing makes room."""
    disk = os.statvfs(where)
    has_room = disk.f_bavail * disk.f_frsize > _MOST_TEXT * size
    return tempfile.TemporaryFile(dir=where) if has_room else _memory()


def _memory() -> IO[bytes]:
    return open(os.memfd_create("access-log"), "w+b")


def _convert(path: Path, name: str) -> lines.Converted:
    return lines.convert(path.read_bytes().partition(b"\n")[2], name)


def _result(path: Path, code: int, body: IO[bytes], told: IO[bytes]) -> lines.Converted:
    told.seek(0)
    text = told.read().decode(errors="replace").strip()
    try:
        written, unreadable = map(int, text.rpartition("\n")[2].split())
    except ValueError:
        written = unreadable = -1
    if code or written < 0:
        raise NotConverted(f"{path.name}: converting ended with {code}: {text[-_SHOWN:]}")
    body.seek(0)
    return lines.Converted(body.read(), written, unreadable)
