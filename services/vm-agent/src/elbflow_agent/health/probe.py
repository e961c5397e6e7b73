"""One health probe over the network, bounded by one total timeout (REQ-4.1, REQ-4.2, REQ-4.9)."""

from __future__ import annotations

import asyncio
import enum
import functools
import ssl
from typing import cast

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
    except (OSError, ValueError):
        return Verdict.FAILED
    return Verdict.PASSED if passed else Verdict.FAILED


class _Attempt(asyncio.Protocol):
    """One connection: sends ``request`` and judges the first line that comes, or passes at once without a request."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.passed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._request:
            self._judge(True)
        else:
            cast(asyncio.WriteTransport, transport).write(self._request)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        self._received += data
        line, ended, _ = self._received.partition(b"\n")
        if ended or len(line) > _LONGEST_STATUS_LINE:
            status = line.split()
            self._judge(len(status) >= 2 and status[0].startswith(b"HTTP/1.") and status[1] == b"200")

    def connection_lost(self, error: Exception | None) -> None:
        self._judge(False)

    def _judge(self, passed: bool) -> None:
        if not self.passed.done():
            self.passed.set_result(passed)


async def _attempt(address: str, what: target.Target) -> bool:
    # Bare protocols: with streams, thousands of targets would cost twice as much.
    transport, attempt = await asyncio.get_running_loop().create_connection(
        lambda: _Attempt(_request(address, what)),
        address,
        what.port,
        ssl=unverified() if what.scheme.encrypted else None,
        server_hostname="" if what.scheme.encrypted else None,
    )
    try:
        return await attempt.passed
    finally:
        transport.abort()  # nothing more is read, and lingering sockets of thousands of probes add up


def _request(address: str, what: target.Target) -> bytes:
    if not what.scheme.speaks_http:
        return b""
    return (
        f"GET {what.path} HTTP/1.1\r\nHost: {address}:{what.port}\r\nUser-Agent: ELB-HealthChecker/1.0\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode()


@functools.cache
def unverified() -> ssl.SSLContext:
    """Classic ELB does not verify the certificates of its instances."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
