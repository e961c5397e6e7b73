"""What goes wrong on the wire is told as botocore tells it, and so means the same to the retry plan."""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
import pytest
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import client_reqrep, http_exceptions
from botocore import exceptions
from botocore.awsrequest import AWSRequest

from elbflow import swf
from elbflow.swf import classify
from elbflow.swf.fast import broken

URL = "http://127.0.0.1:1/"
KEY = client_reqrep.ConnectionKey("localhost", 1, False, True, None, None, None)
REFUSED = OSError(errno.ECONNREFUSED, "refused")

TABLE: list[tuple[Exception, type[Exception], type[swf.SwfError]]] = [
    (aiohttp.ClientConnectorError(KEY, REFUSED), exceptions.EndpointConnectionError, swf.ConnectFailed),
    (aiohttp.ClientConnectorDNSError(KEY, REFUSED), exceptions.EndpointConnectionError, swf.ConnectFailed),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")), exceptions.SSLError, swf.ConnectFailed),
    (aiohttp.ClientConnectorCertificateError(KEY, ValueError("no")), exceptions.SSLError, swf.ConnectFailed),
    (aiohttp.ConnectionTimeoutError("Connection timeout to host"), exceptions.ConnectTimeoutError, swf.ConnectFailed),
    (socket.gaierror(1, "name"), exceptions.EndpointConnectionError, swf.Ambiguous),
    (aiohttp.ServerDisconnectedError(), exceptions.ConnectionClosedError, swf.Ambiguous),
    (aiohttp.ClientPayloadError("cut"), exceptions.ConnectionClosedError, swf.Ambiguous),
    (http_exceptions.BadStatusLine("x"), exceptions.ConnectionClosedError, swf.Ambiguous),
    (aiohttp.SocketTimeoutError("Timeout on reading data from socket"), exceptions.ReadTimeoutError, swf.Ambiguous),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), exceptions.EndpointConnectionError, swf.Ambiguous),
    (TimeoutError(), exceptions.ReadTimeoutError, swf.Ambiguous),
    (ValueError("odd"), exceptions.HTTPClientError, swf.Ambiguous),
    (OSError(errno.EMFILE, "files"), exceptions.HTTPClientError, swf.Ambiguous),
]


@pytest.mark.parametrize(("error", "raised", "fault"), TABLE, ids=[type(row[0]).__name__ for row in TABLE])
def test_faults_of_the_wire(error: Exception, raised: type[Exception], fault: type[swf.SwfError]) -> None:
    made = broken.as_botocore(error, URL)
    assert type(made) is raised
    assert type(classify.fault(made, "PollForActivityTask")) is fault


@pytest.mark.parametrize("error", [row[0] for row in TABLE], ids=[type(row[0]).__name__ for row in TABLE])
async def test_aiobotocore_raises_the_same(error: Exception) -> None:
    class Broken(AIOHTTPSession):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> None:
            raise error

    async with Broken() as session:
        with pytest.raises(exceptions.BotoCoreError) as stock:
            await session.send(AWSRequest("POST", URL, data=b"{}").prepare())
    made = broken.as_botocore(error, URL)
    assert (type(made), str(made)) == (stock.type, str(stock.value))
