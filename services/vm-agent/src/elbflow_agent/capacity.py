"""How many connections the HAProxy of a VM may have, by the memory of the VM (spec/vm-agent-data-plane no. 70).

The limit of open files bounds them too; that is :meth:`elbflow_agent.haproxy.place.Limits.fitted`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

UNKNOWN = 4000
"""Where nothing says how much memory there is, and in hosts of many VMs."""
_CONNECTION_BYTES = 64 * 1024
"""Two buffers of 16 KiB, TLS's, and the kernel's for two sockets; while it is idle a connection needs a fiftieth."""
_OTHERS = 2
"""HAProxy may have one part of so many; agent, Redis, the system and workers that reloads left need the rest."""
_STEP, _MOST = 1000, 100_000
"""In steps, so that a kernel that keeps some pages more for itself is no other configuration."""
_TOTAL = re.compile(r"^MemTotal: *(\d+) kB$", re.MULTILINE)
_CGROUP_2, _CGROUP_1 = "memory.max", "memory/memory.limit_in_bytes"


def connections(memory_bytes: int | None) -> int:
    """What so much memory is enough for, from 1,000 to 100,000. Pure."""
    if memory_bytes is None:
        return UNKNOWN
    enough = memory_bytes // _OTHERS // _CONNECTION_BYTES
    return min(_MOST, max(_STEP, enough // _STEP * _STEP))


def memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that this process may use: the machine's, or what its control groups have of it. Blocking.

    None when nothing says so. ``root`` is where ``proc`` and ``sys`` are.
    """
    return min((found for found in (_machine(root), *_groups(root)) if found is not None), default=None)


def of_machine() -> int:
    """Connections for a HAProxy that has this machine, or this container, to itself. Blocking."""
    return connections(memory())


def _machine(root: Path) -> int | None:
    found = _TOTAL.search(_text(root / "proc/meminfo"))
    return int(found[1]) * 1024 if found is not None else None


def _groups(root: Path) -> Iterator[int | None]:
    """Limits of our control group and of those around it; of version 1 that of the container alone."""
    top = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, path = line.split(":", 2) if line.count(":") > 1 else ("", "", "")
        if number == "0":
            inner = top / path.strip("/")
            for group in (inner, *inner.parents):
                if group.is_relative_to(top):
                    yield _limit(group / _CGROUP_2)
    yield _limit(top / _CGROUP_1)


def _limit(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
