"""Key files of one HAProxy: one per TLS listener, in a private directory that should be in memory (REQ-1.6).

HAProxy reads a file when it loads a configuration; between loads, what changes goes through its runtime API and the
file follows. A file is named after its port, so neither its content nor its ARN is part of the configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import orjson
import structlog

from elbflow import errors
from elbflow_agent import files
from elbflow_agent.certificates import private
from elbflow_agent.certificates.model import Bundle
from elbflow_agent.haproxy import model, place

_log = structlog.get_logger(__name__)


class Forgotten(errors.Retryable):
    """The key of a certificate in the model is not held any more; the next pass has the current one."""


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate that HAProxy takes: ``pem`` is what it reads.

    ``expires_at`` is the leaf's end in epoch seconds, ``elliptic`` whether its key is on an elliptic curve.
    """

    arn: str
    pem: bytes = field(repr=False)
    certificate: model.Certificate
    expires_at: float
    elliptic: bool


Former: TypeAlias = Mapping[Path, bytes | None]
"""What files had before they were written; None where there was none."""


class Keys:
    """Holds the material that models refer to, and writes it where HAProxy reads it. Files are born with mode 0600."""

    def __init__(self, where: place.Place) -> None:
        self._where = where
        self._held: dict[str, Material] = {}

    def hold(self, materials: Iterable[Material]) -> None:
        """Hold exactly ``materials``."""
        self._held = {each.certificate.fingerprint: each for each in materials}

    def material(self, certificate: model.Certificate) -> Material:
        """What ``certificate`` stands for; raises :class:`Forgotten`."""
        try:
            return self._held[certificate.fingerprint]
        except KeyError:
            raise Forgotten(f"the key of certificate {certificate.leaf} is not held") from None

    def without(self, wanted: model.Model) -> frozenset[int]:
        """Ports of ``wanted`` whose certificate's key is not held."""
        return frozenset(port for port, each in wanted.certificates.items() if each.fingerprint not in self._held)

    @contextlib.asynccontextmanager
    async def staged(self, wanted: model.Model) -> AsyncIterator[place.Place]:
        """The place to render ``wanted`` for while it is checked: its key files are there, and gone afterwards."""
        apart = self._where.apart
        content = self._content(wanted, apart)
        try:
            if content:
                await asyncio.to_thread(_write, apart.key_directory, content)
            yield apart
        finally:
            if content:
                await asyncio.to_thread(shutil.rmtree, apart.key_directory, ignore_errors=True)

    async def write(self, wanted: model.Model) -> Former:
        """Write the files of ``wanted``; what they were before, for :meth:`restore`.

        Raises :class:`private.NotPrivate` before anything is written. Cancellation may leave some files new, some old.
        """
        content = self._content(wanted, self._where)
        return await asyncio.to_thread(_replace_all, self._where.key_directory, content) if content else {}

    async def prune(self, wanted: model.Model) -> None:
        """Remove what ``wanted``, which runs now, does not need."""
        needed = frozenset(self._content(wanted, self._where))
        await asyncio.to_thread(_prune, self._where, needed)

    async def restore(self, former: Former) -> None:
        """Undo :meth:`write`."""
        if former:
            await asyncio.to_thread(_put, former)

    async def obstacle(self) -> str | None:
        """Why keys cannot be written here; None when they can."""
        try:
            await asyncio.to_thread(private.made, self._where.key_directory)
        except (private.NotPrivate, OSError) as error:
            return f"there is no place for keys: {error}"
        return None

    async def recall(self) -> dict[int, Bundle]:
        """What the listeners have had so far, by port."""
        return await asyncio.to_thread(_recall, self._where)

    async def destroy(self) -> None:
        """Remove the directory: the VM is being removed."""
        self._held = {}
        await asyncio.to_thread(shutil.rmtree, self._where.key_directory, ignore_errors=True)

    def _content(self, wanted: model.Model, where: place.Place) -> dict[Path, bytes | None]:
        return {where.key_file(port): _text(self.material(each)) for port, each in wanted.certificates.items()}


def _text(material: Material) -> bytes:
    """What a file has. What comes before the first certificate is for :func:`_recall`; OpenSSL passes over it.

    Both in one file, because whoever is killed between two leaves them in disagreement.
    """
    return b"# " + orjson.dumps(material.arn) + b"\n" + material.pem


def _replace_all(directory: Path, content: Mapping[Path, bytes | None]) -> Former:
    private.made(directory)
    former = {path: files.read_now(path) for path, data in content.items()}
    changed = {path: data for path, data in content.items() if data != former[path]}
    _put(changed)
    return {path: former[path] for path in changed}


def _prune(where: place.Place, needed: frozenset[Path]) -> None:
    if where.key_directory.exists():
        shutil.rmtree(where.apart.key_directory, ignore_errors=True)
        _put(dict.fromkeys(path for path in where.key_directory.iterdir() if path not in needed))


def _write(directory: Path, content: Mapping[Path, bytes | None]) -> None:
    private.made(directory.parent)
    private.made(directory)
    _put(content)


def _put(content: Mapping[Path, bytes | None]) -> None:
    for path, data in content.items():
        if data is None:
            path.unlink(missing_ok=True)
        else:
            files.replace_now(path, data)


def _recall(where: place.Place) -> dict[int, Bundle]:
    found: dict[int, Bundle] = {}
    if not where.key_directory.exists():
        return found
    try:
        private.made(where.key_directory)
        for path in where.key_directory.glob(f"*{place.KEY_SUFFIX}"):
            line, _, pem = path.read_bytes().partition(b"\n")
            found[int(path.stem)] = Bundle.of(str(orjson.loads(line.removeprefix(b"# "))), pem)
    except (private.NotPrivate, OSError, ValueError) as error:
        _log.error("keys_unreadable", kind=type(error).__name__)
    return found
