"""Back-end instances that cost next to nothing: one HAProxy that answers with the address it was asked at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

PING = "/ping"

_CONFIGURATION = """\
global
    nbthread 1
    maxconn 2000
    hard-stop-after 1s
    stats socket unix@{socket} mode 600 level admin
defaults
    mode http
    timeout client 120s
    timeout http-keep-alive 120s
    timeout connect 5s
    timeout server 5s
frontend instances
{binds}
    acl sick dst -f {sick}
    http-request return status 503 content-type text/plain string sick if {{ path {ping} }} sick
    http-request return status 200 content-type text/plain lf-string %[dst]
"""


@dataclass
class BackEnds:
    """``addresses`` are the instances, all at ``port``."""

    addresses: tuple[str, ...]
    port: int
    directory: Path

    async def fall_ill(self, address: str) -> None:
        """Fail the health checks of an instance from now on; requests are answered all the same."""
        await self._ask(f"add acl {self._sick} {address}")

    async def recover(self, address: str) -> None:
        await self._ask(f"del acl {self._sick} {address}")

    @property
    def _socket(self) -> Path:
        return self.directory / "backends.sock"

    @property
    def _sick(self) -> Path:
        return self.directory / "sick.lst"

    def write(self) -> Path:
        self._sick.touch()
        binds = "\n".join(f"    bind {address}:{self.port}" for address in self.addresses)
        text = _CONFIGURATION.format(socket=self._socket, binds=binds, sick=self._sick, ping=PING)
        path = self.directory / "backends.cfg"
        path.write_text(text)
        return path

    async def _ask(self, command: str) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        writer.write(f"{command}\n".encode())
        answer = (await reader.read()).decode().strip()
        writer.close()
        if answer:
            raise AssertionError(f"{command}: {answer}")


@contextlib.asynccontextmanager
async def serving(directory: Path, addresses: tuple[str, ...], binary: str) -> AsyncIterator[BackEnds]:
    """Back ends that answer meanwhile."""
    with socket.socket() as probe:
        probe.bind((addresses[0], 0))
        port = int(probe.getsockname()[1])
    made = BackEnds(addresses, port, directory)
    process = await asyncio.create_subprocess_exec(
        *(binary, "-db", "-f", str(await asyncio.to_thread(made.write))), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while not await _answers(addresses[-1], port):
                await asyncio.sleep(0.02)
        yield made
    finally:
        process.kill()
        await process.wait()


async def _answers(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    return True
