"""What a run takes of the machine, and a clear refusal when it is not there."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from elbflow_standalone import programs

SERVICES_MIB = 900
VM_MIB = 14.0
"""Proportional share of a VM's HAProxy (a master and a worker) and of its sockets in the kernel."""

VM_PROCESSES = 2
RELOADS_AT_ONCE = 64
SERVICE_PROCESSES = 64

AGENT_FILES = 1200
AGENT_VM_FILES = 3
"""Its parked poll, the watch over its HAProxy, and a probe or a question to it."""


@dataclass(frozen=True)
class Needs:
    """What ``vms`` load-balancer VMs on this machine take."""

    memory_mib: int
    files: int
    processes: int

    @classmethod
    def of(cls, vms: int) -> Needs:
        return cls(
            memory_mib=int(SERVICES_MIB + VM_MIB * vms),
            files=AGENT_FILES + AGENT_VM_FILES * vms,
            processes=SERVICE_PROCESSES + VM_PROCESSES * vms + RELOADS_AT_ONCE,
        )

    def __str__(self) -> str:
        return (
            f"{self.memory_mib} MiB of memory, {self.files} open files in one process, {self.processes} processes, "
            "haproxy, redis-server, 20 free ports and a free loopback /16"
        )


def missing(needs: Needs) -> list[str]:
    """What of it the machine lacks, in words; empty when nothing."""
    lacks = []
    if (memory := available_mib()) < needs.memory_mib:
        lacks.append(f"{memory} MiB of memory are available, {needs.memory_mib} are needed")
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < needs.files:
        lacks.append(f"a process may open {files} files (ulimit -Hn), {needs.files} are needed")
    if (room := processes_left()) is not None and room < needs.processes:
        lacks.append(f"{room} more processes are allowed, {needs.processes} are needed")
    lacks += [
        f"{name} is not installed"
        for name in ("haproxy", "redis-server")
        if shutil.which(name, path=programs.search_path()) is None
    ]
    return lacks


def available_mib() -> int:
    """Memory that can be had without swapping, within this control group's limit."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) // 1024
    limit, used = _group_value("memory.max"), _group_value("memory.current")
    return free if limit is None or used is None else min(free, (limit - used) // 2**20)


def processes_left() -> int | None:
    """Processes that may still be started; None without a limit."""
    limits = []
    if (most := _group_value("pids.max")) is not None:
        limits.append(most - (_group_value("pids.current") or 0))
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:
        limits.append(soft - sum(entry.name.isdigit() for entry in Path("/proc").iterdir()))
    return min(limits, default=None)


def _group_value(name: str) -> int | None:
    path = Path("/sys/fs/cgroup", name)
    if not path.exists():
        return None
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None
