"""HTTP clients that never retry: a request that fails is a failure the tour must see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; ``backend`` is the instance that gave it, empty when the load balancer itself did."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def backend(self) -> str:
        return self.headers.get("x-backend", "")


@dataclass(slots=True)
class Tally:
    """What a group of clients saw."""

    by_backend: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.by_backend.total() + len(self.failures)


class Client:
    """One keep-alive connection to a listener, opened anew only when the server said ``Connection: close``."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def get(self, path: str = "/", headers: Mapping[str, str] | None = None) -> Answer:
        """One request. Any error closes the connection and is raised: OSError, EOFError, TimeoutError."""
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                return await self._exchange(path, headers or {})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, path: str, headers: Mapping[str, str]) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._address, self._port)
        reader, writer = self._streams
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: web\r\n{extra}\r\n".encode())
        await writer.drain()
        status, received = await _read_head(reader)
        body = await reader.readexactly(int(received.get("content-length", "0")))
        if received.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, received, body)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


async def send(address: str, port: int, *, clients: int, requests_each: int) -> Tally:
    """Let ``clients`` keep-alive clients send ``requests_each`` requests and count what came back."""
    tally = Tally()

    async def one() -> None:
        async with Client(address, port) as client:
            for _ in range(requests_each):
                await _count(client, tally)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())
    return tally


@asynccontextmanager
async def flowing(address: str, port: int, *, clients: int, pause_s: float = 0.005) -> AsyncIterator[Tally]:
    """Keep-alive clients that send without end while the block runs."""
    tally, stop = Tally(), asyncio.Event()

    async def one() -> None:
        async with Client(address, port) as client:
            while not stop.is_set():
                await _count(client, tally)
                await asyncio.sleep(pause_s)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())
        try:
            yield tally
        finally:
            stop.set()


async def _count(client: Client, tally: Tally) -> None:
    try:
        answer = await client.get()
    except (OSError, EOFError, asyncio.IncompleteReadError) as error:
        tally.failures.append(f"{type(error).__name__}: {error}")
        return
    if answer.status == 200:
        tally.by_backend[answer.backend] += 1
    else:
        tally.failures.append(f"status {answer.status}")
