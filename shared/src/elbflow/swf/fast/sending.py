"""One pool of connections for signed requests, with botocore's exceptions for what goes wrong on the wire.

It is aiohttp with the limits, timeouts and sockets that the stock client has, without the layers between
(spec/swf-long-poll-scale 5.9).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from socket import socket
from typing import Any

import aiohttp
from yarl import URL

from elbflow.swf.fast import broken
from elbflow.swf.fast.answers import Reply
from elbflow.swf.parking import current_line

SocketFactory = Callable[[tuple[Any, ...]], socket]


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections that may be open at once, and how long to wait for connecting and for the next byte, in seconds."""

    connections: int
    connect_timeout_s: float
    read_timeout_s: float
    keepalive_timeout: float
    ttl_dns_cache: int
    socket_factory: SocketFactory


class Sender:
    """Sends requests on the connections of one pool."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The whole answer. Raises botocore's exceptions; cancelled, it closes the connection.

        ``headers`` name the user agent and the body's type, or aiohttp's own go out.
        """
        try:
            # A redirect would take the signed request, its token and the body to whoever is named there.
            response = await self._session.request(
                method, _parsed(url), data=body, headers=headers, allow_redirects=False
            )
            content = await response.read()  # closes the connection when it fails, else gives it back
            if not response.closed:
                response.close()  # a peer that wants to speak another protocol
            answered = {name.decode().lower(): value.decode() for name, value in response.raw_headers}
        except Exception as error:
            raise broken.as_botocore(error, url) from error
        return Reply(url, response.status, answered, content)


@asynccontextmanager
async def open_sender(pool: Pool, context: ssl.SSLContext | None) -> AsyncIterator[Sender]:
    """A sender until the block ends; ``context`` None is for endpoints without TLS."""
    connector = _Connector(
        limit=pool.connections,
        keepalive_timeout=pool.keepalive_timeout,
        ttl_dns_cache=pool.ttl_dns_cache,
        socket_factory=pool.socket_factory,
        ssl=context or True,
    )
    # Compressing pays where a network is between; on one machine it only costs.
    headers = {"Accept-Encoding": "identity" if context is None else "gzip"}
    timeout = aiohttp.ClientTimeout(sock_connect=pool.connect_timeout_s, sock_read=pool.read_timeout_s)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Sender(session)


class _Connector(aiohttp.TCPConnector):
    """Tells a parked poll which connection it got, so that it can be given up by halves."""

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*arguments, **options)
        if (line := current_line()) is not None:
            line.connection = connection
        return connection


@lru_cache(maxsize=64)
def _parsed(url: str) -> URL:
    return URL(url, encoded=True)
