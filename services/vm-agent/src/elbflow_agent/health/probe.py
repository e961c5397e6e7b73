"""One health probe over the network, bounded by one total timeout (REQ-4.1, REQ-4.2, REQ-4.9)."""

from __future__ import annotations

import asyncio
import enum
import functools
import re
import ssl
from typing import TypeVar, cast

from elbflow import clock
from elbflow_agent.health import target

_LONGEST_STATUS_LINE = 4096
_LONGEST_ANSWER = 65536
_PARTING_S = 0.2
_LATE_S = 0.25
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,9})\r?\n", re.IGNORECASE)
_T = TypeVar("_T")
_LAST_CHUNK = b"\r\n0\r\n\r\n"


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
    attempt = _Attempt(_request(address, what))
    try:
        async with asyncio.timeout(timeout_s):
            await _connect(attempt, address, what)
            passed = await attempt.passed
        await attempt.part(what.scheme)
    except TimeoutError:
        late_s = time.monotonic() - start - timeout_s
        return Verdict.STALLED if late_s > max(_LATE_S, timeout_s / 10) else Verdict.FAILED
    except (OSError, ValueError):
        return Verdict.FAILED
    finally:
        attempt.abort()
    return Verdict.PASSED if passed else Verdict.FAILED


class _Attempt(asyncio.Protocol):
    """One connection: sends ``request`` and judges the first line that comes, or passes at once without a request."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None
        loop = asyncio.get_running_loop()
        self.passed: asyncio.Future[bool] = loop.create_future()
        self._complete: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are none by inheritance
        if not self._request:
            _settle(self.passed, True)
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        line, ended, _ = self._received.partition(b"\n")
        if ended or len(line) > _LONGEST_STATUS_LINE:
            status = line.split()
            _settle(self.passed, len(status) >= 2 and status[0].startswith(b"HTTP/1.") and status[1] == b"200")
        if len(self._received) > _LONGEST_ANSWER or _is_complete(self._received):
            _settle(self._complete, None)

    def connection_lost(self, error: Exception | None) -> None:
        _settle(self.passed, False)
        _settle(self._complete, None)
        _settle(self._lost, None)

    async def part(self, scheme: target.Scheme) -> None:
        """Let the instance finish: one that is cut off in its answer sees an error, and many write each into a log."""
        if scheme.speaks_http and not self._complete.done():
            await asyncio.wait((self._complete,), timeout=_PARTING_S)
        if scheme.encrypted and self._transport is not None:
            self._transport.close()  # says good-bye, as TLS has it
            await asyncio.wait((self._lost,), timeout=_PARTING_S)

    def abort(self) -> None:
        """Whatever is left of the connection: lingering sockets of thousands of probes add up."""
        if self._transport is not None:
            self._transport.abort()


def _settle(future: asyncio.Future[_T], value: _T) -> None:
    if not future.done():
        future.set_result(value)


def _is_complete(answer: bytes) -> bool:
    """Whether the answer has ended although its connection has not."""
    head, ended, body = answer.partition(b"\r\n\r\n")
    if not ended:
        return False
    length = _LENGTH.search(head + b"\n")
    return len(body) >= int(length[1]) if length is not None else answer.endswith(_LAST_CHUNK)


async def _connect(attempt: _Attempt, address: str, what: target.Target) -> None:
    # Bare protocols: with streams, thousands of targets would cost twice as much.
    await asyncio.get_running_loop().create_connection(
        lambda: attempt,
        address,
        what.port,
        ssl=unverified() if what.scheme.encrypted else None,
        server_hostname="" if what.scheme.encrypted else None,
    )


def _request(address: str, what: target.Target) -> bytes:
    if not what.scheme.speaks_http:
        return b""
    return (
        f"GET {what.path} HTTP/1.1\r\nHost: {address}:{what.port}\r\nUser-Agent: ELB-HealthChecker/1.0\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode()


@functools.cache
def unverified() -> ssl.SSLContext:
    """Classic ELB does not verify the certificates of its instances, and speaks TLS 1.0 with those that must."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # as in HAProxy, so that what is InService can be reached
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
