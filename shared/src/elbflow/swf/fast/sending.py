"""One pool of connections for signed requests, with botocore's exceptions for what goes wrong on the wire.

It is aiohttp's connector and parser with the limits, timeouts and sockets that the stock client has, without the layers
between (spec/swf-long-poll-scale 5.9). aiohttp's session would make a request, a writer, a task that writes and an
answer object for each call: half of what a short call costs.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any, TypeAlias

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from elbflow.swf.fast import broken
from elbflow.swf.fast.answers import Reply
from elbflow.swf.parking import current_line

SocketFactory = Callable[[tuple[Any, ...]], socket]
Connection: TypeAlias = aiohttp.connector.Connection
Answer: TypeAlias = tuple[RawResponseMessage, aiohttp.StreamReader]
_INFORMATIONAL = range(100, 200)
_SWITCHING_PROTOCOLS = 101
_CONNECTIONS_TRIED = 3


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
    """Sends requests to one URL on the connections of one pool."""

    def __init__(self, connector: aiohttp.TCPConnector, url: str, timeout: aiohttp.ClientTimeout, encodings: str):
        loop = asyncio.get_running_loop()
        # What the connector knows the place by; no body and no header of it is sent but its host.
        self._place = aiohttp.ClientRequest("POST", URL(url, encoded=True), loop=loop)
        self._connector = connector
        self._url = url
        self._timeout = timeout
        host = self._place.headers["Host"]
        self._first = f"{self._place.url.raw_path_qs} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: {encodings}\r\n"

    async def send(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The whole answer. A redirect is an answer like any other: whoever is named there is not to be told.

        Raises botocore's exceptions; cancelled, it closes the connection. ``headers`` must not name the host or the
        length of the body.
        """
        try:
            request = self._head(method, headers, len(body)) + body
            connection = await self._connected()
            try:
                message, content = await self._exchanged(connection, request)
            except BaseException:
                connection.close()  # an answer may be under way still, and must not be taken for that of another call
                raise
            connection.release()
            answered = {name.decode().lower(): value.decode() for name, value in message.raw_headers}
        except Exception as error:
            raise broken.as_botocore(error, self._url) from error
        return Reply(self._url, message.code, answered, content)

    def _head(self, method: str, headers: Mapping[str, str], length: int) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header has a line break")
        return f"{method} {self._first}{lines}Content-Length: {length}\r\n\r\n".encode()

    async def _connected(self) -> Connection:
        """A connection of the pool; a parked poll is told which, so that it can be given up by halves.

        One on which something came that nobody had asked for is not used: that would be taken for our answer.
        """
        for _ in range(_CONNECTIONS_TRIED):
            connection = await self._taken()
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                if (line := current_line()) is not None:
                    line.connection = connection
                return connection
            connection.close()
        raise aiohttp.ClientConnectionResetError("No connection can be used: the peer closes them or speaks first")

    async def _taken(self) -> Connection:
        try:
            return await self._connector.connect(self._place, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {self._url}") from error

    async def _exchanged(self, connection: Connection, request: bytes) -> tuple[RawResponseMessage, bytes]:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        protocol.set_response_params(read_until_eof=True, read_timeout=self._timeout.sock_read)
        transport.write(request)
        protocol.start_timeout()
        try:
            message, payload = await protocol.read()
            if _is_informational(message):
                message, payload = await self._final(protocol)
        except HttpProcessingError as error:
            asked, said, headers = self._place.request_info, error.message, error.headers
            raise aiohttp.ClientResponseError(asked, (), status=error.code, message=said, headers=headers) from error
        return message, await payload.read()

    async def _final(self, protocol: ResponseHandler) -> Answer:
        """The answer after an informational one, for which aiohttp has stopped its clock."""
        async with asyncio.timeout(self._timeout.sock_read):
            while True:
                message, payload = await protocol.read()
                if not _is_informational(message):
                    return message, payload


def _is_informational(message: RawResponseMessage) -> bool:
    return message.code in _INFORMATIONAL and message.code != _SWITCHING_PROTOCOLS


@asynccontextmanager
async def open_sender(pool: Pool, context: ssl.SSLContext | None, url: str) -> AsyncIterator[Sender]:
    """A sender to ``url`` until the block ends; ``context`` None is for endpoints without TLS."""
    connector = aiohttp.TCPConnector(
        limit=pool.connections,
        keepalive_timeout=pool.keepalive_timeout,
        ttl_dns_cache=pool.ttl_dns_cache,
        socket_factory=pool.socket_factory,
        ssl=context or True,
    )
    # Compressing pays where a network is between; on one machine it only costs.
    encodings = "identity" if context is None else "gzip"
    timeout = aiohttp.ClientTimeout(sock_connect=pool.connect_timeout_s, sock_read=pool.read_timeout_s)
    async with connector:
        yield Sender(connector, url, timeout, encodings)
