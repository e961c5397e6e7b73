"""Private files that are either the old or the new version, never half of one (spec/vm-agent REQ-2.2, G18)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from elbflow import errors
from elbflow_agent.batches import Batches

_GIFT_S = 0.001
"""The loop stands still for so long at most, in which the thread has the interpreter's lock to itself.

A busy loop takes it back whenever the thread calls the system: writing one small file then takes 30 ms instead of 0.1.
"""
_REST_S = 2.0
_HERE, _EXCHANGE = -100, 2
_libc = ctypes.CDLL(None)
_AT_ONCE = 8
"""Small files that fit into that."""

_T = TypeVar("_T")
_numbers = itertools.count()
_threads = ThreadPoolExecutor(2, "files")  # not the loop's: wrapping what ends at once takes as long as a small file
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Batches[Callable[[], object], object]] = WeakKeyDictionary()


class InUse(errors.Permanent):
    """Another agent works in this directory."""


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold ``directory`` (made if absent) for this process; raises :class:`InUse`. Blocking.

    The kernel lets go when the holder dies, so a killed agent never locks out the next one.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(directory / ".lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"another agent works in {directory}") from error
        yield


async def replace(path: Path, data: bytes, *, modified_at: float | None = None) -> None:
    """Write ``data`` to ``path`` with mode 0600 through a rename, dated ``modified_at`` (epoch seconds; default: now).

    Cancellation leaves the old or the new content in place, and at worst an unused temporary file beside it.
    """
    await _work(functools.partial(replace_now, path, data, modified_at))


async def exchange(path: Path, data: bytes, *, modified_at: float | None = None) -> None:
    """Like :func:`replace`, for what is replaced often and is no secret: the former content stays beside ``path``.

    The next one is written over that. File systems take up to 0.5 ms to find a new inode when many have just been
    given back, and 0.03 for this. What a machine without power keeps may be older, or unreadable.
    """
    await _work(functools.partial(_exchange_now, path, data, modified_at))


async def update(path: Path, data: bytes) -> None:
    """Like :func:`exchange`, for what others read: a file that has this content already is left alone.

    One that was in force until a moment ago is not written over: somebody may have opened it then and read it still.
    """
    await _work(functools.partial(_update_now, path, data))


async def read(path: Path) -> bytes | None:
    """Content of ``path``, or None when there is no such file."""
    return await _work(functools.partial(read_now, path))


def replace_now(path: Path, data: bytes, modified_at: float | None = None) -> None:
    """Blocking form of :func:`replace`."""
    descriptor, temporary = _temporary(path)
    try:
        try:
            _write(descriptor, data)
        finally:
            os.close(descriptor)
        if modified_at is not None:
            os.utime(temporary, (modified_at, modified_at))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_now(path: Path) -> bytes | None:
    """Blocking form of :func:`read`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _update_now(path: Path, data: bytes) -> None:
    if not _has(path, data):
        _exchange_now(path, data, rest_s=_REST_S)


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _exchange_now(path: Path, data: bytes, modified_at: float | None = None, *, rest_s: float = 0.0) -> None:
    spare = f"{path.parent}/.{path.name}.spare"
    descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        if found.st_size and time.time() - found.st_ctime < rest_s:
            raise BlockingIOError
        _write(descriptor, data)
        if found.st_size > len(data):
            os.ftruncate(descriptor, len(data))
        if modified_at is not None:
            os.utime(descriptor, (modified_at, modified_at))
        _swap(spare, path)
    except BlockingIOError:
        replace_now(path, data, modified_at)  # a cancelled write is still at it, or a reader may be
    finally:
        os.close(descriptor)


def _swap(spare: str, path: Path) -> None:
    """Let two names change their files at one instant; where that cannot be, ``spare`` takes the place of ``path``."""
    try:
        code = _libc.renameat2(_HERE, os.fsencode(spare), _HERE, os.fsencode(path), _EXCHANGE)
    except AttributeError:  # not in every C library
        code = -1
    if code:
        os.replace(spare, path)


def _temporary(path: Path) -> tuple[int, str]:
    """A new file of mode 0600 beside ``path``: open, with a name that a process of our pid may have left before."""
    while True:
        name = f"{path.parent}/.{path.name}.{os.getpid()}-{next(_numbers)}"
        with contextlib.suppress(FileExistsError):
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), name


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


async def _work(piece: Callable[[], _T]) -> _T:
    """Carry out in a thread what blocks. Changing threads costs more than small files do, so they share the change."""
    loop = asyncio.get_running_loop()
    batches = _of_loops.get(loop)
    if batches is None:
        batches = _of_loops[loop] = Batches(_carry_out, most=_AT_ONCE)
    result = await batches.give(piece)
    if isinstance(result, _Failed):
        raise result.error
    return cast(_T, result)


async def _carry_out(pieces: Sequence[Callable[[], object]]) -> list[object]:
    working = _threads.submit(lambda: [*map(_carried_out, pieces)])
    _stand_still(working)
    return working.result() if working.done() else await asyncio.wrap_future(working)


def _stand_still(working: Future[list[object]]) -> None:
    """Let the thread have the interpreter's lock until it has ended or the gift is used up."""
    with contextlib.suppress(TimeoutError):
        working.result(_GIFT_S)


def _carried_out(piece: Callable[[], object]) -> object:
    try:
        return piece()
    except Exception as error:
        return _Failed(error)
