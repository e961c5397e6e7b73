"""Connections to Redis: made on demand, never trusted to last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

if TYPE_CHECKING:
    from redis.asyncio import Redis

Connect: TypeAlias = "Callable[[], Redis]"
"""Makes a client with a connection pool of its own."""

BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
_CONNECT_S = 2.0
_CONNECTIONS = 32
# Made once: redis-py would look its version up on disk for every connection, from inside the event loop.
_DRIVER = redis.DriverInfo()


def unix_socket(path: Path) -> Connect:
    """Clients of the Redis behind ``path``. They repeat nothing by themselves: our loops know what may be repeated."""

    def connect() -> Redis:
        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=redis.asyncio.UnixDomainSocketConnection,
            path=str(path),
            max_connections=_CONNECTIONS,
            timeout=_CONNECT_S,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            driver_info=_DRIVER,
        )
        return redis.asyncio.Redis.from_pool(pool)

    return connect


def backoff_s(failures: int) -> float:
    """Pause before attempt ``failures`` + 1."""
    return BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
