"""Accounts and secrets of the one-machine stack, made once and kept in files of mode 0600."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from elbflow_standalone import layout

ACCOUNT = "100000000001"
SYSTEM_PROFILE = "elbflow-system"


@dataclass(frozen=True, slots=True)
class AccessKey:
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The administrator's key, for users, and the system's, for the services. Both belong to one account."""

    account: str
    administrator: AccessKey
    system: AccessKey


def load_or_create(where: layout.Layout) -> Credentials:
    """Read the stack's keys, or make them, and write the files that the programs read."""
    if not where.keys_file.exists():
        _write_keys(where.keys_file)
    found = load(where)
    _write_profile(where.credentials_file, found.system)
    if not where.token_file.exists():
        write_private(where.token_file, secrets.token_urlsafe(32))
    return found


def load(where: layout.Layout) -> Credentials:
    """The keys of a stack that was started before."""
    keys = json.loads(where.keys_file.read_text())["keys"]
    administrator, system = (AccessKey(key["access_key_id"], key["secret_access_key"]) for key in keys)
    return Credentials(ACCOUNT, administrator, system)


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` atomically; nobody but the owner can ever read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _write_keys(path: Path) -> None:
    """The engine's key file: the administrator's key, then the system's."""
    keys = [
        {
            "access_key_id": "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16)),
            "secret_access_key": secrets.token_urlsafe(30),
            "account": ACCOUNT,
            "admin": True,
        }
        for _ in range(2)
    ]
    write_private(path, json.dumps({"keys": keys}, indent=2))


def _write_profile(path: Path, key: AccessKey) -> None:
    """The services take their key from an AWS shared-credentials file, as they would anywhere else."""
    write_private(
        path,
        f"[{SYSTEM_PROFILE}]\n"
        f"aws_access_key_id = {key.access_key_id}\n"
        f"aws_secret_access_key = {key.secret_access_key}\n",
    )
