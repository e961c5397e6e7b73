"""The one directory that may hold keys: in memory, for its owner alone (spec/vm-agent-data-plane F116)."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from elbflow import errors

_IN_MEMORY = frozenset({b"tmpfs", b"ramfs"})
_ESCAPED = re.compile(rb"\\([0-7]{3})")
"""How the kernel shows blanks and backslashes; all other bytes of a path it shows as they are."""
_MOUNTS = Path("/proc/self/mounts")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # what is made in it is its owner's alone, and that is checked


class NotPrivate(errors.Permanent):
    """The directory for keys lies on a disk, or others may look into it."""


def directory(run_dir: Path, chosen: Path | None = None) -> Path:
    """Where the agent of ``run_dir`` keeps keys: ``chosen``, or below ``run_dir`` if that is in memory, or /dev/shm.

    The same one for the same ``run_dir``, made 0700 if absent. Blocking; raises :class:`NotPrivate`.
    """
    return made(chosen if chosen is not None else _own(run_dir))


def forget(run_dir: Path) -> None:
    """Remove what :func:`directory` made for ``run_dir``, unless it was chosen: nobody serves there now. Blocking.

    Shared memory would keep it until the machine is started anew.
    """
    shutil.rmtree(_own(run_dir), ignore_errors=True)


def _own(run_dir: Path) -> Path:
    return run_dir / "keys" if is_in_memory(run_dir) else default(run_dir.resolve())


def default(run_dir: Path) -> Path:
    """The directory in shared memory that belongs to ``run_dir``, an absolute path; it need not be there."""
    name = hashlib.sha256(os.fsencode(run_dir)).hexdigest()[:12]
    return _SHARED_MEMORY / f"elbflow-{os.getuid()}-{name}"


def made(path: Path) -> Path:
    """``path`` as a private directory in memory, made if absent. Blocking; raises :class:`NotPrivate`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotPrivate(f"{path} must be a directory with mode 0700 of the agent's own user")
    if not is_in_memory(path):
        raise NotPrivate(f"{path} is on a disk, where keys must not be; choose a directory on a tmpfs")
    return path


def is_in_memory(path: Path) -> bool:
    """Whether what is written below ``path``, which need not be there yet, stays in memory. Blocking."""
    real = os.fsencode(os.path.realpath(path))
    best, kind = b"", b""
    for line in _MOUNTS.read_bytes().split(b"\n"):
        _, mount, fstype, *_ = (*line.split(b" "), b"", b"")
        mount = _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), mount)
        inside = mount == b"/" or real == mount or real.startswith(mount + b"/")
        if inside and len(mount) >= len(best):
            best, kind = mount, fstype
    return kind in _IN_MEMORY
