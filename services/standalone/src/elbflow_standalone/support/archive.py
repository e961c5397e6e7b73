"""A ``tar.gz`` that nobody else can ever read."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from elbflow import errors

_PRIVATE = 0o600


class CannotWrite(errors.Permanent):
    """The bundle cannot be written where it should."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be written ({why}); name another place with --output")


class Archive:
    """Texts by name below one directory."""

    def __init__(self, tar: tarfile.TarFile, top: str) -> None:
        self._tar = tar
        self._top = top
        self.names: list[str] = []

    def add(self, name: str, text: str) -> None:
        """Add a text. Raises ``OSError`` when there is no room for it."""
        data = text.encode("utf-8", "backslashreplace")
        entry = tarfile.TarInfo(f"{self._top}/{name}")
        entry.size, entry.mode, entry.mtime = len(data), _PRIVATE, int(time.time())
        self._tar.addfile(entry, io.BytesIO(data))
        self.names.append(name)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Archive]:
    """A new archive at ``path``; nothing is left when the block raises, of which an ``OSError`` is taken to be ours.

    Raises :class:`CannotWrite` when the place takes no file, or there is one already, which is never replaced.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            yield Archive(tar, path.name.removesuffix(".tar.gz"))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CannotWrite(path, error.strerror or str(error)) from error
        raise
