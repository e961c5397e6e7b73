"""Real HAProxy on loopback addresses of its own, real backend instances, and clients that keep their connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import structlog
import structlog.testing

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, master, place

BINARY = shutil.which("haproxy") or ""


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the code logs, as events; rendering of tracebacks would read source files."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def address() -> str:
    """A loopback address that no other test uses."""
    return f"127.{random.randrange(100, 250)}.{random.randrange(1, 250)}.{random.randrange(2, 250)}"


@pytest.fixture
def binary() -> str:
    if not BINARY:
        pytest.skip("haproxy is not installed")
    return BINARY


@pytest.fixture
async def where(short_dir: Path, binary: str) -> AsyncIterator[place.Place]:
    """A prepared place; whatever HAProxy is left there is stopped."""
    there = place.Place(short_dir / "vm")
    await asyncio.to_thread(there.prepare)
    yield there
    await master.Master(there, binary=binary, time=clock.SystemClock()).stop(soft_s=0.05)


@pytest.fixture
def instruments() -> meters.Meters:
    return meters.Meters()


@pytest.fixture
async def make_applier(
    where: place.Place, binary: str, instruments: meters.Meters
) -> AsyncIterator[Callable[..., apply.Applier]]:
    """Makes appliers with other limits or instruments."""
    made: list[apply.Applier] = []

    def make(
        limits: place.Limits | None = None,
        counting: meters.Meters | None = None,
        reloading: asyncio.Semaphore | None = None,
    ) -> apply.Applier:
        made.append(
            apply.Applier(
                where,
                binary=binary,
                limits=limits or place.Limits(1000, 5),
                time=clock.SystemClock(),
                instruments=counting or instruments,
                reloading=reloading,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.leave()


@pytest.fixture
def applier(make_applier: Callable[..., apply.Applier]) -> apply.Applier:
    return make_applier()


_given: set[int] = set()


def free_port(address: str) -> int:
    """A port of ``address`` that nobody uses, and that no other call was given: a test may want several."""
    while True:
        with socket.socket() as probe:
            probe.bind((address, 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


@dataclass
class Backend:
    """A backend instance: answers with its name, after ``delay_s``; ``/broken`` with 500; keeps connections."""

    name: str
    port: int = 0
    delay_s: float = 0.0
    status: int = 200
    requests: int = 0
    seen: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Die: refuse and reset."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.seen.append(head.decode())
                await asyncio.sleep(self.delay_s)
                status = 500 if b"/broken" in head.split(b"\r\n")[0] else self.status
                body = self.name.encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def backends() -> AsyncIterator[list[Backend]]:
    """Three live backend instances."""
    made = [Backend(f"i-{number:08x}") for number in (1, 2, 3)]
    for backend in made:
        await backend.start()
    yield made
    for backend in made:
        await backend.stop()


@dataclass
class Load:
    """Clients on kept-alive connections; ``results`` counts statuses and kinds of failure."""

    address: str
    port: int
    results: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._client()) for _ in range(8)]
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.1)
        self._stop.set()
        await asyncio.gather(*self._tasks)

    @property
    def failures(self) -> dict[str, int]:
        return {kind: count for kind, count in self.results.items() if kind != "200"}

    async def _client(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = await asyncio.open_connection(self.address, self.port)
                status, headers, body = await exchange(*connection)
                self.results[status] += 1
                self.bodies[body] += 1
                if headers.get("connection", "").lower() == "close":
                    connection[1].close()
                    connection = None
            except (OSError, asyncio.IncompleteReadError) as error:
                self.results[type(error).__name__] += 1
                if connection is not None:
                    connection[1].close()
                connection = None
            await asyncio.sleep(0.002)
        if connection is not None:
            connection[1].close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str = "/", extra: str = ""
) -> tuple[str, dict[str, str], str]:
    """One request on an open connection: status, headers (lower-case names), body."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\n{extra}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return head[0].split()[1], headers, body.decode()


async def get(address: str, port: int, path: str = "/", extra: str = "") -> tuple[str, dict[str, str], str]:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        async with asyncio.timeout(10):
            return await exchange(reader, writer, path, extra)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0)


@dataclass
class RedisServer:
    """A private Redis on a unix socket."""

    socket: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *("redis-server", "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--save", "", "--appendonly", "no", "--dir", str(self.socket.parent)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while not await self._answers():
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.process = None

    async def _answers(self) -> bool:
        client = redis.asyncio.Redis(unix_socket_path=str(self.socket))
        try:
            return bool(await client.ping())
        except redis.RedisError:
            return False
        finally:
            await client.aclose()


@pytest.fixture
async def broker(short_dir: Path) -> AsyncIterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(short_dir / "redis.sock")
    await server.start()
    yield server
    await server.stop()
