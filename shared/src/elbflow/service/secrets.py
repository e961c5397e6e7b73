"""Secrets in files that only their owner may access."""

from __future__ import annotations

import os
import stat

from elbflow import errors

_NOT_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class UnusableSecret(errors.Permanent):
    """A file with a secret is empty, no text, or open to group or others."""


def read_private(path: str | os.PathLike[str]) -> bytes:
    """The content of a file. Blocks.

    Raises :class:`UnusableSecret` when group or others may access the file, ``OSError`` when it cannot be read.
    """
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & _NOT_FOR_OTHERS:
            raise UnusableSecret(f"{path} has mode {mode:04o}: only its owner may have access (chmod 600)")
        return file.read()


def read_secret(path: str | os.PathLike[str]) -> str:
    """The text of a file, without white space around it, like :func:`read_private`. It must not be empty."""
    try:
        text = read_private(path).decode().strip()
    except UnicodeDecodeError:
        raise UnusableSecret(f"{path} is not UTF-8 text") from None
    if not text:
        raise UnusableSecret(f"{path} is empty")
    return text
