"""The agent's end of the pipe that HAProxy writes its log into."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from pathlib import Path

from elbflow_agent.haproxy import logs

_LARGE = 1024 * 1024
_MODE = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC


class Pipe:
    """Opened for writing too, so it has no end: writers come and go, and what they wrote stays.

    Lines on their way to the disk are in a second pipe, which HAProxy holds open as well (see :func:`logs.taken`). It
    is opened when lines are to go there, or when an earlier process left some in it.
    """

    def __init__(self, path: Path) -> None:
        self._taken_path = logs.taken(path)
        self._fd = os.open(path, _MODE)
        self._taken: int | None = os.open(self._taken_path, _MODE)
        if not _waiting(self._taken):
            os.close(self._taken)
            self._taken = None
        self.is_large = False
        """Whether it holds the lines of a tenth of a second of a HAProxy that writes as many as it can."""

    def enlarge(self) -> None:
        """Get ready for many lines that go to the disk, with as much room for bursts as the kernel lets us have."""
        if self._taken is None:
            self._taken = os.open(self._taken_path, _MODE)
        try:
            for fd in (self._fd, self._taken):
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _LARGE)
        except OSError:  # the pipes of this user may not become larger altogether
            self.is_large = False
        else:
            self.is_large = True

    def watch(self, arrived: Callable[[], None]) -> None:
        """Call ``arrived`` while there is something to read, until :meth:`ignore`."""
        for fd in self._open():
            asyncio.get_running_loop().add_reader(fd, arrived)

    def ignore(self) -> None:
        for fd in self._open():
            asyncio.get_running_loop().remove_reader(fd)

    def waiting(self) -> int:
        """Bytes that are there to read."""
        return sum(map(_waiting, self._open()))

    def move(self, file: int, offset: int) -> int:
        """Move what is there to ``offset`` of ``file``, one mebibyte at most; how many bytes. Blocks for the disk.

        HAProxy does not wait meanwhile. Killed at any instant, all is in one of the pipes or in the file.
        """
        if self._taken is None:
            self._taken = os.open(self._taken_path, _MODE)
        _splice(self._fd, self._taken)
        return _splice(self._taken, file, offset)

    def read(self) -> bytes:
        """What is there, or nothing; never blocks."""
        return b"".join(map(_read, self._open()))

    def close(self) -> None:
        for fd in self._open():
            os.close(fd)

    def _open(self) -> tuple[int, ...]:
        """The older lines first."""
        return (self._fd,) if self._taken is None else (self._taken, self._fd)


def _waiting(fd: int) -> int:
    size: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    return size


def _splice(source: int, target: int, offset: int | None = None) -> int:
    try:
        return os.splice(source, target, _LARGE, offset_dst=offset, flags=os.SPLICE_F_NONBLOCK)
    except BlockingIOError:
        return 0


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _LARGE)
    except BlockingIOError:
        return b""
