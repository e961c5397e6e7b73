"""What a running HAProxy says about itself: ``show info``, ``show servers state`` and ``show proc``, parsed."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

from elbflow import errors
from elbflow_agent.haproxy import model, steps

ServerKey: TypeAlias = tuple[str, str]
"""Backend name and server name."""

_COLUMNS = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_admin_state")
_MAINTENANCE_BITS = 0x01 | 0x02 | 0x20 | 0x40  # forced, inherited, resolution, health-check maintenance
_DRAIN_BITS = 0x08 | 0x10
_PID = re.compile(r"^Pid: *(\d+)$", re.MULTILINE)
_TAG = re.compile(r"^description: *(.*)$", re.MULTILINE)
_NOWHERE = 1 << 20
"""More words than a line has."""
_UPTIME = re.compile(r"(\d+)d(\d+)h(\d+)m(\d+)s")


class Unreadable(errors.Retryable):
    """HAProxy's answer does not have the expected form."""


class Situated(Protocol):
    """Where a server is, and whether it takes traffic: of a running one, or of one that is wanted."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def admin(self) -> model.Admin: ...


class RunningServer(NamedTuple):
    """One server as the worker has it now."""

    address: str
    port: int
    admin: model.Admin


@dataclass(frozen=True, slots=True)
class Running:
    """The serving worker: its version tag, its pid, its servers, and the ports it listens on."""

    tag: str
    pid: int
    servers: Mapping[ServerKey, Situated] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Processes:
    """``show proc``: the master, the serving worker and the workers that still drain, youngest first.

    ``failed_reloads`` counts since the last successful one. ``replaced_s``: how long ago each old worker was replaced,
    at least; whole seconds.
    """

    master: int
    worker: int | None
    old_workers: tuple[int, ...] = ()
    reloads: int = 0
    failed_reloads: int = 0
    replaced_s: Mapping[int, int] = field(default_factory=dict)


def parse_info(text: str) -> tuple[str, int]:
    """Version tag and pid from ``show info``."""
    pid, tag = _PID.search(text), _TAG.search(text)
    if pid is None:
        raise Unreadable("show info has no pid")
    return (tag[1] if tag is not None else ""), int(pid[1])


def parse_servers(text: str) -> dict[ServerKey, RunningServer]:
    """Servers from ``show servers state``."""
    return steps.at_once(parsing_servers(text))


def parsing_servers(text: str) -> steps.Steps[dict[ServerKey, RunningServer]]:
    """:func:`parse_servers` in steps."""
    servers: dict[ServerKey, RunningServer] = {}
    chosen, most = itemgetter(*range(len(_COLUMNS))), 0
    for lines in steps.lines_of(text):
        for line in lines:
            if line.startswith("# "):
                columns = {name: at for at, name in enumerate(line[2:].split())}
                chosen = itemgetter(*(columns.get(name, _NOWHERE) for name in _COLUMNS))
                most = 1 + max(columns.get(name, 0) for name in _COLUMNS)
            elif most and line.strip():
                try:
                    backend, name, address, port, admin = chosen(line.split(None, most))
                    servers[backend, name] = RunningServer(address, int(port), _admin(admin))
                except (IndexError, ValueError) as error:
                    raise Unreadable(f"unexpected line in show servers state: {line[:120]!r}") from error
        yield len(lines)
    return servers


def parse_frontends(text: str) -> frozenset[int]:
    """Ports of the listeners from ``show stat``."""
    names = (line.partition(",")[0] for line in text.splitlines())
    return frozenset(port for name in names if (port := model.port_of(name)) is not None)


def parse_sessions(text: str) -> dict[str, ServerKey]:
    """Clients' sessions with their servers, by their name for ``shutdown session``, from ``show sess``."""
    sessions = {}
    for line in text.splitlines():
        name, separator, rest = line.partition(": ")
        fields = dict(word.split("=", 1) for word in rest.split() if "=" in word)
        if separator and name.startswith("0x") and {"be", "srv"} <= fields.keys() and fields.get("fe") != "GLOBAL":
            sessions[name] = (fields["be"], fields["srv"])
    return sessions


def parse_processes(text: str) -> Processes:
    """Processes from the master's ``show proc``."""
    section, master, worker, reloads, failed = "", None, None, 0, 0
    workers: list[tuple[int, int, int]] = []  # reloads that each has survived, its uptime and pid
    for line in text.splitlines():
        if line.startswith("# "):
            section = line[2:].strip()
            continue
        words = line.replace("[", " ").replace("]", " ").split()
        if len(words) < 3 or not words[0].isdecimal():
            continue
        match (section, words[1]):
            case ("", "master") if len(words) > 4:
                master, reloads, failed = int(words[0]), int(words[2]), int(words[4])
            case ("workers" | "old workers", "worker") if len(words) > 3:
                workers.append((int(words[2]), _uptime(words[3]), int(words[0])))
                worker = int(words[0]) if section == "workers" else worker
    if master is None:
        raise Unreadable("show proc names no master")
    ages = sorted(workers)
    if worker is None and failed and ages:
        worker = ages[0][2]  # from 3.1 on the one that serves is called old when its successor did not come up
    old = tuple(pid for _, _, pid in ages if pid != worker)
    # One was replaced when the next one started that is left, or before.
    replaced_s = {pid: uptime for (_, uptime, _), (_, _, pid) in itertools.pairwise(ages)}
    return Processes(master, worker, old, reloads, failed, replaced_s)


def _uptime(text: str) -> int:
    """Seconds in the form ``1d02h03m04s``."""
    found = _UPTIME.fullmatch(text)
    if found is None:
        raise Unreadable(f"show proc says {text[:40]!r} for an uptime")
    days, hours, minutes, seconds = map(int, found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@functools.lru_cache(maxsize=64)
def _admin(text: str) -> model.Admin:
    bits = int(text)
    if bits & _MAINTENANCE_BITS:
        return model.Admin.MAINT
    return model.Admin.DRAIN if bits & _DRAIN_BITS else model.Admin.READY
