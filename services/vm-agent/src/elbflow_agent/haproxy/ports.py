"""Before and after a structural change: can the port be bound, and does HAProxy really accept on it?"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable

_REASONS = {
    errno.EADDRINUSE: "port is in use by another process",
    errno.EACCES: "binding the port is not permitted",
    errno.EADDRNOTAVAIL: "the address is not one of this machine",
}


def obstacle(address: str, port: int, may_bind: bool = False) -> str | None:
    """Why ``address:port`` cannot be bound now, or None when it can.

    Without SO_REUSEPORT, so a listener of any process counts, also one that HAProxy could share by accident. That we
    may not bind the port is none for a HAProxy that ``may_bind`` it.
    """
    with socket.socket(_family(address), socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((address, port))
            candidate.listen(1)
        except OSError as error:
            code = error.errno or 0
            if may_bind and code == errno.EACCES:
                return None
            return _REASONS.get(code, os.strerror(code))
    return None


async def accepts(address: str, port: int, *, timeout_s: float) -> bool:
    """Whether HAProxy accepts connections on ``address:port``.

    The probe connects from ``address`` itself; HAProxy's own rule turns such connections away before a back end or a
    counter sees them, so being turned away is the proof that its event loop serves the listener.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.bind((address, 0))
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(probe, (address, port))
                return await loop.sock_recv(probe, 1) == b""
        except ConnectionResetError:
            return True
        except (OSError, TimeoutError):
            return False


async def silent(address: str, candidates: Iterable[int], *, timeout_s: float) -> list[int]:
    """The ports on which HAProxy does not accept connections."""
    ordered = list(candidates)
    answers = await asyncio.gather(*(accepts(address, port, timeout_s=timeout_s) for port in ordered))
    return [port for port, answer in zip(ordered, answers, strict=True) if not answer]


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
