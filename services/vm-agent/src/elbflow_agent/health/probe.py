"""One health probe over the network, bounded by one total timeout (REQ-4.1, REQ-4.2, REQ-4.9)."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import ssl

from elbflow import clock
from elbflow_agent.health import target

_LONGEST_STATUS_LINE = 4096
_LATE_S = 0.25


class Verdict(enum.StrEnum):
    """``STALLED``: this process was too busy to judge, so the result must not count."""

    PASSED = "passed"
    FAILED = "failed"
    STALLED = "stalled"


async def probe(address: str, what: target.Target, timeout_s: float, time: clock.Clock) -> Verdict:
    """Probe ``address`` once. Success is a TCP connection, a TLS handshake or the HTTP status 200, never a redirect.

    A timeout that fires late means that the event loop stalled, not that the instance did. Cancellation closes the
    connection.
    """
    start = time.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            passed = await _attempt(address, what)
    except TimeoutError:
        late_s = time.monotonic() - start - timeout_s
        return Verdict.STALLED if late_s > max(_LATE_S, timeout_s / 10) else Verdict.FAILED
    except (OSError, ssl.SSLError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return Verdict.FAILED
    return Verdict.PASSED if passed else Verdict.FAILED


async def _attempt(address: str, what: target.Target) -> bool:
    context = _unverified() if what.scheme.encrypted else None
    reader, writer = await asyncio.open_connection(
        address, what.port, ssl=context, limit=_LONGEST_STATUS_LINE, server_hostname="" if context else None
    )
    try:
        if not what.scheme.speaks_http:
            return True
        writer.write(
            f"GET {what.path} HTTP/1.1\r\nHost: {address}:{what.port}\r\nUser-Agent: ELB-HealthChecker/1.0\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        status = (await reader.readuntil(b"\n")).split()
        return len(status) >= 2 and status[0].startswith(b"HTTP/1.") and status[1] == b"200"
    finally:
        writer.transport.abort()  # nothing more is read, and lingering sockets of thousands of probes add up
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.TimeoutError):
            await writer.wait_closed()


@functools.cache
def _unverified() -> ssl.SSLContext:
    """Classic ELB does not verify the certificates of its instances."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
