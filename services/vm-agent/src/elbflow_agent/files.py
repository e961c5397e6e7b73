"""Private files that are either the old or the new version, never half of one (spec/vm-agent REQ-2.2, G18)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from elbflow import errors


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
    await asyncio.to_thread(replace_now, path, data, modified_at)


async def read(path: Path) -> bytes | None:
    """Content of ``path``, or None when there is no such file."""
    return await asyncio.to_thread(read_now, path)


def replace_now(path: Path, data: bytes, modified_at: float | None = None) -> None:
    """Blocking form of :func:`replace`."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
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
