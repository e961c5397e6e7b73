"""Probes over real sockets: what passes, what fails, and what says nothing."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import stopwatch
from tests.integration.agent.conftest import Backend, free_port

from elbflow import clock
from elbflow_agent.health import probe, target

PASSED, FAILED, STALLED = probe.Verdict.PASSED, probe.Verdict.FAILED, probe.Verdict.STALLED


async def probed(text: str, timeout_s: float = 1.0) -> probe.Verdict:
    return await probe.probe("127.0.0.1", target.parse(text), timeout_s, clock.SystemClock())


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    made = Backend("i-1")
    await made.start()
    yield made
    await made.stop()


async def test_http_asks_as_the_health_checker(backend: Backend) -> None:
    assert await probed(f"HTTP:{backend.port}/a:b?c=d") is PASSED
    request = backend.seen[-1].split("\r\n")
    assert request[0] == "GET /a:b?c=d HTTP/1.1"
    assert "User-Agent: ELB-HealthChecker/1.0" in request
    assert f"Host: 127.0.0.1:{backend.port}" in request
    assert "Connection: close" in request


@pytest.mark.parametrize("status", [201, 204, 301, 302, 404, 500, 503])
async def test_only_200_passes_and_redirects_are_not_followed(backend: Backend, status: int) -> None:
    backend.status = status
    assert await probed(f"HTTP:{backend.port}/") is FAILED
    assert backend.requests == 1


async def test_tcp(backend: Backend) -> None:
    assert await probed(f"TCP:{backend.port}") is PASSED
    assert await probed(f"TCP:{free_port('127.0.0.1')}") is FAILED


async def test_the_timeout_is_for_the_whole_probe(backend: Backend) -> None:
    backend.delay_s = 5
    async with stopwatch.within(2):
        assert await probed(f"HTTP:{backend.port}/", timeout_s=0.3) is FAILED


async def test_rubbish_fails() -> None:
    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 100_000)
        writer.close()

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await probed(f"HTTP:{port}/") is FAILED
        assert await probed(f"SSL:{port}") is FAILED
        assert await probed(f"HTTPS:{port}/") is FAILED


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("pieces", "closes"),
    [
        ((HEAD, b"Content-Length: 6\r\n\r\n", b"abc", b"def"), False),
        (CHUNKS, False),
        ((HEAD + b"\r\n", b"abc", b"def"), True),
    ],
)
async def test_an_instance_is_not_cut_off_in_its_answer(
    pieces: tuple[bytes, ...], closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would see a reset at every check, and many applications write that into a log."""
    monkeypatch.setattr(probe, "_PARTING_S", 20.0)
    seen: list[bytes | str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            if closes:
                writer.write_eof()
            seen.append(await reader.read())
        except ConnectionError as error:
            seen.append(repr(error))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        async with stopwatch.within(2):  # nothing was waited for but the answer
            assert await probed(f"HTTP:{server.sockets[0].getsockname()[1]}/") is PASSED
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0.01)
    assert seen == [b""]


async def test_a_body_that_never_ends_does_not_keep_the_verdict() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"Content-Length: 9\r\n\r\nabc")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        async with stopwatch.within(1):
            assert await probed(f"HTTP:{server.sockets[0].getsockname()[1]}/", timeout_s=0.15) is PASSED
        await asyncio.sleep(0.01)


async def test_a_stalled_loop_judges_nobody(backend: Backend) -> None:
    backend.delay_s = 5

    async def stall() -> None:
        await asyncio.sleep(0.1)
        time.sleep(0.6)

    stalled, _ = await asyncio.gather(probed(f"HTTP:{backend.port}/", timeout_s=0.3), stall())
    assert stalled is STALLED


async def test_tls_without_verification(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=nobody", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert await probed(f"SSL:{port}") is PASSED
        assert await probed(f"HTTPS:{port}/") is PASSED
        assert await probed(f"HTTP:{port}/") is FAILED
