"""What one VM's directory tells: its document, its HAProxy's configuration, and what that HAProxy says."""

from __future__ import annotations

import functools
import socket
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from elbflow import errors
from elbflow_standalone.support import masks, pieces

_ANSWER_S = 5.0
_MOST_CERTIFICATES = 100


class NoVm(errors.Permanent):
    """There are no VM's files in the directory."""


def directories(run_dir: Path) -> list[Path]:
    """The VMs in an agent's run directory, which may also be that of one VM. Raises :class:`NoVm`."""
    if not run_dir.is_dir():
        raise NoVm(f"{run_dir} is no directory; name the agent's run directory, its ELBFLOW_AGENT_RUN_DIR")
    if _is_vm(run_dir):
        return [run_dir]
    found = sorted(path for path in run_dir.iterdir() if path.is_dir() and _is_vm(path))
    if not found:
        raise NoVm(f"there is no VM in {run_dir}; name the agent's run directory, its ELBFLOW_AGENT_RUN_DIR")
    return found


def of(directory: Path, mask: masks.Masks) -> Iterator[pieces.Piece]:
    """Everything of one VM that holds no secret. Keys, routes of cookies, trust files and identities do."""
    top = f"vms/{directory.name}"
    files: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("haproxy.cfg", mask.configuration),
        ("candidate.cfg", mask.configuration),
        ("document.json", mask.document),
        ("health.json", mask.document),
        ("metrics.json", mask.document),
        ("haproxy.log", mask.log),
    )
    for name, masked in files:
        if (directory / name).exists():
            yield pieces.Piece(f"{top}/{name}", functools.partial(_of_file, directory / name, masked))
    admin, master = directory / "admin.sock", directory / "master.sock"
    answers: tuple[tuple[str, Path, str, Callable[[str], str]], ...] = (
        ("show-info.txt", admin, "show info", mask.text),
        ("show-stat.csv", admin, "show stat", mask.statistics),
        ("show-servers-state.txt", admin, "show servers state", mask.text),
        ("workers.txt", master, "show proc", mask.text),
    )
    for name, path, command, masked in answers:
        yield pieces.Piece(f"{top}/{name}", functools.partial(_of_answer, path, command, masked))
    yield pieces.Piece(f"{top}/certificates.txt", lambda: mask.text(_certificates(admin)))


def of_process(admin_url: str, mask: masks.Masks) -> Iterator[pieces.Piece]:
    """What a process tells at its admin address: readiness, metrics, its lanes, and its VMs if it has any."""
    address = urllib.parse.urlsplit(admin_url)
    pages = (
        ("ready.txt", "readyz"),
        ("metrics.txt", "metrics"),
        ("polling.json", "debug/polling?format=json"),
        ("vms.json", "debug/vms?format=json"),
    )
    for name, path in pages:
        page = f"{address.scheme}://{address.netloc}/{path}"
        yield pieces.Piece(f"processes/{address.netloc}/{name}", functools.partial(pieces.page, page, mask.text))


def _is_vm(path: Path) -> bool:
    return (path / "haproxy.cfg").is_file() or (path / "document.json").is_file()


def _of_file(path: Path, masked: Callable[[str], str]) -> str:
    whole = path.suffix != ".log"  # half a document is none
    return masked(pieces.tail(path, sys.maxsize if whole else pieces.TAIL_BYTES))


def _of_answer(path: Path, command: str, masked: Callable[[str], str]) -> str:
    return masked(_ask(path, command))


def _certificates(path: Path) -> str:
    """What HAProxy shows of each: names, fingerprints and when it ends, never a key."""
    names = [line for line in _ask(path, "show ssl cert").splitlines() if line and not line.startswith("#")]
    return "\n".join(_ask(path, f"show ssl cert {name}") for name in names[:_MOST_CERTIFICATES])


def _ask(path: Path, command: str) -> str:
    """HAProxy's answer. Raises ``OSError`` when nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        connection.connect(str(path))
        connection.sendall(f"{command}\n".encode())
        connection.shutdown(socket.SHUT_WR)  # a master waits for the next command otherwise
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return received.decode(errors="replace")
