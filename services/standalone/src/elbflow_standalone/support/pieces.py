"""One text of a bundle, made when its turn comes."""

from __future__ import annotations

import functools
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 5.0
TAIL_BYTES = 512 * 1024
"""Of a log the end counts."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``text`` gives it without secrets, or raises why it cannot be had; the others are had all the same."""

    name: str
    text: Callable[[], str]


def page(address: str, masked: Callable[[str], str], headers: Mapping[str, str] | None = None) -> str:
    """What an admin address answers, also when it says that something is wrong. Raises ``OSError``."""
    request = urllib.request.Request(address, headers=dict(headers or {}))  # noqa: S310  # given by the operator
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            data: bytes = answer.read()
    except urllib.error.HTTPError as error:
        data = f"HTTP {error.code}\n".encode() + error.read()
    return masked(data.decode("utf-8", "backslashreplace"))


def logs(directory: Path, masked: Callable[[str], str]) -> Iterator[Piece]:
    """The ends of all logs of a directory; those that were put away are not looked at."""
    for path in sorted(directory.glob("*.log")):
        yield Piece(f"logs/{path.name}", functools.partial(_end, path, masked))


def _end(path: Path, masked: Callable[[str], str]) -> str:
    return masked(tail(path))


def tail(path: Path, most: int = TAIL_BYTES) -> str:
    """The last ``most`` bytes of a file, whole lines of them. Raises ``OSError``."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        data = file.read()
    if size > most:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "backslashreplace")
