"""Who the servers are that must prove it: seen by TLS handshakes, remembered over restarts (spec/vm-agent 3.6).

What is kept of a server is the digest of its public key and that by which HAProxy accepts it. A server that shows
another key loses it at once; one that cannot be reached keeps it, for that is the health check's business.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pydantic
import structlog

from elbflow import turn
from elbflow_agent import files
from elbflow_agent.haproxy import authentication, der, model
from elbflow_agent.health import probe

_log = structlog.get_logger(__name__)
_INTRODUCTION = b"PROXY UNKNOWN\r\n"  # what a balancer says that speaks for itself
_DER = 2  # one of OpenSSL's two encodings


@dataclass(frozen=True, slots=True)
class Seen:
    """``key`` is the digest of a server's public key; ``leaf`` and ``pem`` are of the anchor that follows from it.

    ``certificate`` is the digest of the server's own certificate.
    """

    instance_id: str
    port: int
    key: str
    certificate: str
    leaf: str
    pem: str


_FILE = pydantic.TypeAdapter(list[Seen])


class _Certificate(Protocol):
    def public_bytes(self, format: int, /) -> bytes: ...


class _Connection(Protocol):
    """What :class:`ssl.SSLObject` wraps; the chain is public only from Python 3.13 on."""

    def get_unverified_chain(self) -> list[_Certificate] | None: ...


class Unknown(ValueError):
    """The server's certificate is of no use."""


class Identities:
    """All servers of one VM that have been seen; ``changed`` is called when HAProxy has to hear of one."""

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._seen: dict[tuple[str, int], Seen] = {}
        self._told: dict[tuple[str, int], str] = {}
        self._saving = turn.Turn()
        self._unsaved = False

    async def recall(self) -> None:
        """Start with what was known before this process."""
        data = await files.read(self._path)
        if data is None:
            return
        try:
            self._seen = {(each.instance_id, each.port): each for each in _FILE.validate_json(data)}
        except pydantic.ValidationError as error:
            _log.error("identities_unreadable", errors=error.error_count())

    def anchors(self, instance_id: str, port: int, keys: authentication.Keys) -> tuple[model.Anchor, ...] | None:
        """See :data:`authentication.Lookup`."""
        return _anchors(self._seen.get((instance_id, port)), keys)

    def is_known(self, instance_id: str, port: int, keys: authentication.Keys) -> bool:
        """Whether the server was last seen with one of ``keys``."""
        seen = self._seen.get((instance_id, port))
        return seen is not None and seen.key in keys

    def as_now(self) -> authentication.Lookup:
        """:meth:`anchors` by what is known at this instant: the same for whoever takes several turns to ask."""
        seen = dict(self._seen)
        return lambda instance_id, port, keys: _anchors(seen.get((instance_id, port)), keys)

    def forget_others(self, kept: Collection[tuple[str, int]]) -> None:
        """Forget all servers but ``kept``."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in kept}
        self._told = {key: told for key, told in self._told.items() if key in kept}

    async def prove(
        self,
        instance_id: str,
        address: str,
        port: int,
        keys: authentication.Keys,
        *,
        timeout_s: float,
        introduced: bool = False,
    ) -> bool:
        """Whether the server shows one of ``keys`` within ``timeout_s``. Cancellation changes nothing.

        ``introduced`` says that HAProxy tells it of the client first, without which it may not answer.
        """
        where = instance_id, port
        try:
            async with asyncio.timeout(timeout_s):
                chain = await _chain(address, port, introduced)
        except (OSError, ValueError, TimeoutError):
            return False
        try:
            seen = await self._examined(where, chain, keys)
        except (Unknown, der.NoKey) as error:
            self._tell(where, str(error))
            await self._replace(where, None)
            return False
        self._told.pop(where, None)
        await self._replace(where, seen)
        return True

    async def _examined(self, where: tuple[str, int], chain: list[bytes], keys: authentication.Keys) -> Seen:
        if not chain:
            raise Unknown("the server shows no certificate")
        key = der.digest(der.key_of_certificate(chain[0]))
        if key not in keys:
            raise Unknown("the server's public key is none of the policy's")
        certificate, former = hashlib.sha256(chain[0]).hexdigest(), self._seen.get(where)
        if former is not None and former.certificate == certificate and former.key == key:
            return former
        anchor = await asyncio.to_thread(_anchor, chain)
        return Seen(*where, key, certificate, anchor.leaf, anchor.pem)

    async def _replace(self, where: tuple[str, int], seen: Seen | None) -> None:
        if self._seen.get(where) == seen:
            return
        if seen is None:
            del self._seen[where]
        else:
            self._seen[where] = seen
        self._changed()
        self._unsaved = True
        async with self._saving:
            if self._unsaved:  # of many that show themselves at once, the first one that writes writes all
                self._unsaved = False
                await files.replace(self._path, _FILE.dump_json(list(self._seen.values())))

    def _tell(self, where: tuple[str, int], reason: str) -> None:
        if self._told.get(where) != reason:
            self._told[where] = reason
            _log.warning("server_not_accepted", instance=where[0], port=where[1], reason=reason)


def _anchors(seen: Seen | None, keys: authentication.Keys) -> tuple[model.Anchor, ...] | None:
    return (model.Anchor(seen.leaf, seen.pem),) if seen is not None and seen.key in keys else None


async def _chain(address: str, port: int, introduced: bool) -> list[bytes]:
    """The certificates that the server shows, its own first, in DER."""
    loop = asyncio.get_running_loop()
    plain, protocol = await loop.create_connection(asyncio.Protocol, address, port)
    transport: asyncio.Transport | None = None
    try:
        if introduced:
            plain.write(_INTRODUCTION)
        transport = await loop.start_tls(plain, protocol, probe.unverified())
        if transport is None:
            raise ConnectionResetError("the server has gone")
        wrapped = transport.get_extra_info("ssl_object")
        connection = cast(_Connection, wrapped._sslobj)
        return [each.public_bytes(_DER) for each in connection.get_unverified_chain() or ()]
    finally:
        (transport or plain).abort()


def _anchor(chain: list[bytes]) -> model.Anchor:
    leaf = chain[0]
    if der.is_self_issued(leaf):
        return model.Anchor(
            hashlib.sha1(leaf, usedforsecurity=False).hexdigest().upper(), ssl.DER_cert_to_PEM_cert(leaf)
        )
    from elbflow_agent.haproxy import issuing  # only here, see there

    if len(chain) < 2:
        raise Unknown("the server's certificate is not self-signed, and the server does not show its issuer's")
    try:
        return issuing.anchor_for(leaf, chain[1])
    except ValueError as error:
        raise Unknown(str(error)) from error
