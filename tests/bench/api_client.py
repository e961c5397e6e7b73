"""Calls of the Classic ELB API as bytes: signed beforehand, sent over one kept-alive socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from tests.bench import api_store, engine_http

VERSION = "2012-06-01"
_SIGNER = SigV4Auth(
    ReadOnlyCredentials(api_store.KEY.access_key_id, api_store.KEY.secret_access_key, None),
    "elasticloadbalancing",
    "us-east-1",
)


class Client:
    """Calls one endpoint, one call at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._connection: engine_http.Connection | None = None

    def request(self, action: str, parameters: Mapping[str, str]) -> bytes:
        """A signed POST. Signing is the caller's work and costs more than some answers: do it before measuring."""
        body = urlencode({"Action": action, "Version": VERSION} | dict(parameters)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": self._parts.netloc}
        request = AWSRequest(method="POST", url=f"{self._url}/", data=body, headers=headers)
        _SIGNER.add_auth(request)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        return f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def send(self, request: bytes) -> float:
        """Seconds until the whole answer is there. Raises :class:`engine_http.Refused`."""
        if self._connection is None or not self._connection.open:
            host, port = self._parts.hostname or "127.0.0.1", self._parts.port or 80
            _, self._connection = await asyncio.get_running_loop().create_connection(engine_http.Connection, host, port)
        began = time.monotonic()
        answer = await self._connection.send(request)
        if answer.status != 200:
            raise engine_http.Refused(request.partition(b"\r\n\r\n")[2][:80].decode(), answer.status, answer.body)
        return answer.at - began
