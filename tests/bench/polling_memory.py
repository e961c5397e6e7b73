"""What parked polls cost in memory: the process's own, and the kernel's for sockets and threads.

As spec/perf-baselines (method, 2) did it: resident memory of the process from its page tables; the kernel's share from
counters of the whole machine, so it has both ends of every loopback connection, and is only right when nothing else
starts or ends meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_KERNEL = ("SUnreclaim", "KernelStack", "PageTables")
_PAGE_KIB = 4


@dataclass(frozen=True)
class Memory:
    """KiB."""

    own: float
    kernel: float

    @property
    def total(self) -> float:
        return self.own + self.kernel

    def each_since(self, before: Memory, polls: int) -> Memory:
        """Growth per poll."""
        return Memory((self.own - before.own) / polls, (self.kernel - before.kernel) / polls)


def now(rss_kib: Callable[[], float]) -> Memory:
    """Memory at this moment."""
    return Memory(rss_kib(), kernel_kib())


def kernel_kib() -> float:
    """Slabs that cannot be reclaimed, thread stacks, page tables, and the buffers of TCP."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    sizes = {words[0].rstrip(":"): float(words[1]) for words in lines}
    return sum(sizes[name] for name in _KERNEL) + _PAGE_KIB * _tcp_pages()


def _tcp_pages() -> float:
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        words = line.split()
        if words[0] == "TCP:":
            return float(words[words.index("mem") + 1])
    return 0.0
