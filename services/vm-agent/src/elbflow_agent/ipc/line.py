"""A connection to Redis that is kept: what goes through it for every request need not ask a pool for one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

Command: TypeAlias = tuple[str | bytes | float, ...]


class _Connection(Protocol):
    """What redis-py does not say of its connections."""

    async def connect(self) -> None: ...

    async def disconnect(self, *, nowait: bool) -> None: ...

    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]: ...

    async def send_packed_command(self, command: list[bytes]) -> None: ...

    async def read_response(self) -> object: ...


class _Pool(Protocol):
    def make_connection(self) -> _Connection: ...


class Line:
    """Made on demand like those of the pool of ``client``, also after a failure; questions are put in turn."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._connection: _Connection | None = None
        self._turn = asyncio.Lock()

    async def ask(self, *commands: Command) -> list[Any]:
        """Answers to all ``commands``, sent at once. Raises what redis-py does; then, and cancelled, it hangs up."""
        async with self._turn:
            if self._connection is None:
                self._connection = cast(_Pool, self._client.connection_pool).make_connection()
            connection = self._connection
            try:
                await connection.connect()
                await connection.send_packed_command(connection.pack_commands(commands))
                return [await connection.read_response() for _ in commands]
            except BaseException:
                self._connection = None
                await connection.disconnect(nowait=True)
                raise

    async def aclose(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
