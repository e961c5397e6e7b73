"""Which HAProxy this is: too old ones lack what every change of servers needs (spec/vm-agent-data-plane 3.3)."""

from __future__ import annotations

import re
import subprocess

from elbflow import errors

OLDEST = (2, 6)
"""Before it, servers cannot be added and removed at run time without switches for experiments."""
_TIMEOUT_S = 10.0
_SAID = re.compile(r"HA-?Proxy version (\d+)\.(\d+)\S*")


class Unsuitable(errors.Permanent):
    """The program is not an HAProxy that the agent can work with."""


def require(binary: str) -> str:
    """The version of ``binary``; raises :class:`Unsuitable` unless it is an HAProxy of :data:`OLDEST` or later.

    Blocking, some 10 ms.
    """
    wanted = ".".join(map(str, OLDEST))
    try:
        finished = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unsuitable(f"{binary} does not tell its version ({error}); name HAProxy {wanted} or later") from error
    found = _SAID.search(finished.stdout)
    if found is None:
        raise Unsuitable(f"{binary} does not say that it is an HAProxy; name HAProxy {wanted} or later with --haproxy")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise Unsuitable(
            f"{binary} is HAProxy {found[1]}.{found[2]}, which cannot add servers at run time; "
            f"install {wanted} or later, or name another one with --haproxy"
        )
    return found[0].rpartition(" ")[2]
