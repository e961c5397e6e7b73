"""Limits of the process: open files, raised at start and checked against what it was built to hold, and no cores.

A limit that is too low shows up hours later as refused connections; so it is an error at start (design section 8,
spec/perf-baselines section 0 fact 1).
"""

from __future__ import annotations

import resource

from elbflow import errors

CEILING = 1_048_576
"""Soft limits beyond this are not asked for: HAProxy, which inherits ours, sizes its tables by the limit."""


class TooFewFiles(errors.Permanent):
    """The hard limit of open files is lower than what this process needs."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"this process needs {needed} open files, the hard limit (ulimit -Hn) is {available}")
        self.needed = needed
        self.available = available


def ensure_files(needed: int) -> int:
    """Raise the soft limit of open files to the hard one; return it. Raises :class:`TooFewFiles`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = soft_target(soft, hard, needed)
    if target != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return target


def forbid_cores() -> None:
    """Leave no memory image of a crash, neither of this process nor of those it starts: keys and secrets are in it.

    The hard limit stays, so whoever looks for a defect may allow it again (``prlimit --core``).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def soft_target(soft: int, hard: int, needed: int) -> int:
    """The soft limit to set, given both current limits. Raises :class:`TooFewFiles`."""
    unlimited = resource.RLIM_INFINITY
    if hard != unlimited and hard < needed:
        raise TooFewFiles(needed, hard)
    highest = max(CEILING, needed) if hard == unlimited else min(hard, max(CEILING, needed))
    return soft if soft != unlimited and soft > highest else highest
