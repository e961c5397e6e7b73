"""Sockets that notice a vanished peer while a long poll is parked (spec/swf-long-poll-scale 5.9)."""

from __future__ import annotations

import socket
from typing import Any

_KEEPALIVE: tuple[tuple[str, int], ...] = (
    ("TCP_KEEPIDLE", 20),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 30_000),
)


def keepalive_socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket for one ``getaddrinfo`` entry: a dead peer is found within 50 s, NAT entries stay fresh.

    aiobotocore ignores botocore's own keep-alive option, hence this factory. Platforms without an option keep
    their default for it.
    """
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
