"""Encryption at rest: private keys leave the store only as what a master key outside of it opens."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from elbflow import errors

KEY_BYTES = 32

_VERSION = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12


class CannotOpen(errors.Permanent):
    """What was sealed is damaged, belongs elsewhere, or was sealed with another master key."""


class Vault:
    """Seals small secrets with AES-256-GCM, each with a nonce of its own.

    What is sealed for one ``owner`` cannot be opened for another one: rows that are exchanged in the store are found
    out. The sealed form names the master key by a fingerprint, so a wrong one is told from damage.
    """

    def __init__(self, master_key: bytes) -> None:
        """``master_key``: :data:`KEY_BYTES` random bytes."""
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(master_key)
        self._id = hashlib.sha256(b"elbflow master key\0" + master_key).digest()[:_ID_BYTES]

    def seal(self, secret: bytes, owner: str) -> bytes:
        """``secret``, readable with the same master key and owner alone."""
        nonce = os.urandom(_NONCE_BYTES)
        head = _VERSION + self._id
        return head + nonce + self._cipher.encrypt(nonce, secret, head + owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """What was sealed. Raises :class:`CannotOpen`."""
        head, rest = sealed[: 1 + _ID_BYTES], sealed[1 + _ID_BYTES :]
        if head[:1] != _VERSION:
            raise CannotOpen("it was not sealed by this version")
        if head[1:] != self._id:
            raise CannotOpen("it was sealed with another master key")
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + owner.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen("it is damaged or belongs elsewhere") from None

    def __repr__(self) -> str:
        return f"<Vault {self._id.hex()}>"
