"""The master key's file: made at the first start, for its owner alone, and never changed."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from pathlib import Path

import structlog

from elbflow import errors, service
from elbflow_api.iam import sealing

log = structlog.get_logger()


class UnusableMasterKey(errors.Permanent):
    """The file holds no master key, or others may read it."""


def load_or_create(path: Path) -> sealing.Vault:
    """The vault of the key in ``path``; several processes that start at once agree on one key. Blocks.

    Raises :class:`UnusableMasterKey`, and ``OSError`` when the file cannot be read or made.
    """
    if not path.exists():
        _create(path)
    try:
        key = base64.b64decode(service.read_secret(path), validate=True)
    except service.UnusableSecret as error:
        raise UnusableMasterKey(str(error)) from None
    except binascii.Error:
        key = b""
    if len(key) != sealing.KEY_BYTES:
        raise UnusableMasterKey(f"{path} is not the base64 form of {sealing.KEY_BYTES} bytes")
    return sealing.Vault(key)


def _create(path: Path) -> None:
    """Write a new key and give it its name in one step, unless somebody else was faster."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(sealing.KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
            log.info("master_key_created", path=str(path))
    finally:
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
