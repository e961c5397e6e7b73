"""What the services and their HAProxys spend: calls, CPU and memory over a period, seen from outside."""

from __future__ import annotations

import contextlib
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench import engine_figures as figures

from elbflow_standalone import layout, supervision
from elbflow_standalone.demo import leftovers

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_CALLS = "swfd_requests_total"
_HANDOFF = "swfd_handoff_seconds"
_PARKED = "swfd_parked_polls"
_OTHERS = ("redis", "haproxy")


@dataclass(frozen=True)
class Snapshot:
    """Everything at one instant. CPU in seconds by program since its start."""

    at: float
    engine: Mapping[str, float]
    cpu_s: Mapping[str, float]


@dataclass(frozen=True)
class Period:
    """What happened between two snapshots."""

    seconds: float
    engine: Mapping[str, float]
    cores: Mapping[str, float]

    @property
    def calls(self) -> float:
        """SWF calls, all operations together."""
        return total(self.engine, _CALLS)

    @property
    def calls_by_operation(self) -> Counter[str]:
        """SWF calls by operation."""
        found: Counter[str] = Counter()
        for key, value in self.engine.items():
            if key.startswith(_CALLS):
                found[_label(key, "op")] += int(value)
        return found

    @property
    def services_cores(self) -> float:
        """Cores kept busy by the services: everything but HAProxy and Redis."""
        return sum(share for program, share in self.cores.items() if program not in _OTHERS)

    def dispatch_s(self, share: float) -> float:
        """Quantile of the time from a task's commit to the answer of the poll that got it (a bucket's upper bound)."""
        return figures.of_histogram(self.engine, _HANDOFF, share)


def snapshot(where: layout.Layout) -> Snapshot:
    """Take one; reads /proc and one page of metrics."""
    cpu_s = {program: _cpu_s(pid) for program, pid in supervision.pids(where).items()}
    cpu_s["haproxy"] = sum(map(_cpu_s, leftovers.haproxies(where.agent_dir)))
    return Snapshot(time.monotonic(), metrics(where.admin_url("engine")), cpu_s)


def between(before: Snapshot, after: Snapshot) -> Period:
    """The difference of two snapshots."""
    seconds = after.at - before.at
    cores = {program: (spent - before.cpu_s.get(program, 0.0)) / seconds for program, spent in after.cpu_s.items()}
    return Period(seconds, figures.difference(after.engine, before.engine), cores)


def parked(where: layout.Layout) -> int:
    """Polls that the engine sees parked now."""
    return int(total(metrics(where.admin_url("engine")), _PARKED))


def resident_mib(where: layout.Layout) -> dict[str, float]:
    """Memory by program; of the HAProxys their proportional shares together, for they share most of their pages."""
    found = {program: _resident_mib(pid) for program, pid in supervision.pids(where).items()}
    found["haproxy"] = _proportional_mib(leftovers.haproxies(where.agent_dir))
    return found


def metrics(admin_url: str) -> dict[str, float]:
    """Samples of ``/metrics`` by name with labels."""
    with urllib.request.urlopen(f"{admin_url}/metrics", timeout=30) as answer:  # our own service
        lines = answer.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def total(samples: Mapping[str, float], name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(value for key, value in samples.items() if key.partition("{")[0] == name)


def _label(key: str, name: str) -> str:
    return key.partition(f'{name}="')[2].partition('"')[0]


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far; 0 when it has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return 0.0


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _proportional_mib(pids: Iterable[int]) -> float:
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
