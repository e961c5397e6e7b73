"""Sockets that notice a vanished peer while a long poll is parked (spec/swf-long-poll-scale 5.9)."""

from __future__ import annotations

import socket
from typing import Any

_PROBES: tuple[tuple[str, int], ...] = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
USER_TIMEOUT_MS = 40_000
"""Linux looks at it when a probe is due, and then it replaces the count of probes. They are due 15, 25, 35 and 45 s
after the peer's last sign of life, each up to 2 s late: with 40 s a connection survives two lost probes and is given up
at the fourth instant. 30 s after a start at 20 s ended it for one lost probe; 45 s found the dead after 52 s.
"""


def notice_dead_peers(connection: socket.socket, user_timeout_ms: int = USER_TIMEOUT_MS) -> None:
    """Let the kernel probe an idle peer after 15 s, and give it up 45 to 50 s after its last sign of life.

    Set on a listening socket, all its connections have it. Platforms without an option keep their default for it.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_PROBES, ("TCP_USER_TIMEOUT", user_timeout_ms)):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def keepalive_socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket for one ``getaddrinfo`` entry: a dead peer is found within 50 s, NAT entries stay fresh.

    aiobotocore ignores botocore's own keep-alive option, hence this factory.
    """
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    notice_dead_peers(made)
    return made
