"""The secrets of this machine that could turn up somewhere, so that they can be looked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from elbflow.service import redaction
from elbflow.service.settings import SECRETS_DIR_VARIABLE
from elbflow_standalone import layout
from elbflow_standalone.support import masks

_LONGEST = 1 << 16


def of_stack(where: layout.Layout) -> set[str]:
    """Keys of users and services, tokens, and what private keys in the store are encrypted with."""
    found = set(_words(where.token_file)) | set(_words(where.master_key_file))
    pairs = (line.partition("=") for line in _read(where.credentials_file).splitlines())
    found.update(value.strip() for name, _, value in pairs if redaction.is_secret_name(name))
    text = _read(where.keys_file)
    if text:
        found.update(str(key["secret_access_key"]) for key in json.loads(text)["keys"])
    return found


def of_environment(variables: Mapping[str, str] = os.environ) -> set[str]:
    """Values of variables whose names say so, and of the files that such variables name."""
    found: set[str] = set()
    for name, value in variables.items():
        if name.endswith("_FILE") and redaction.is_secret_name(name):
            found.update(_words(Path(value)))
        elif redaction.is_secret_name(name):
            found.add(value)
    directory = variables.get(SECRETS_DIR_VARIABLE)
    if directory:
        found.update(word for path in _files(Path(directory)) for word in _words(path))
    return found


def of_vms(directories: Iterable[Path]) -> set[str]:
    """Keys of cookies in what HAProxys run and were to run."""
    return {
        key for directory in directories for path in directory.glob("*.cfg*") for key in masks.cookie_keys(_read(path))
    }


def _files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.iterdir() if path.is_file())


def _words(path: Path) -> list[str]:
    return _read(path).split()


def _read(path: Path) -> str:
    """Nothing when it is not there: then it is nowhere else either."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_LONGEST).decode(errors="replace")
