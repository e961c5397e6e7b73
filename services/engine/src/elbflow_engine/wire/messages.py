"""A request as it was received, an answer as it is sent (spec/swf-semantics 1.1-1.3)."""

from __future__ import annotations

import email.utils
import functools
import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from elbflow import service
from elbflow_engine.wire import protocol

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NOTHING: Mapping[str, str] = {}
_BITS = 128


class Headers:
    """The headers of a request, in order and with duplicates, as they were received."""

    __slots__ = ("all", "first")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """``first``: the first value of each, by its name in lower case."""
        self.all = headers
        self.first = {name.lower(): value for name, value in reversed(headers)}

    @property
    def size(self) -> int:
        """Bytes of all names and values."""
        return sum(map(len, itertools.chain.from_iterable(self.all)))


class Request:
    """One whole request. Header values are text as far as they are UTF-8; other bytes survive as surrogates."""

    __slots__ = ("_headers", "body", "keeps_alive", "method", "old", "target")

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes,
        *,
        keeps_alive: bool = True,
        old: bool = False,
    ) -> None:
        """``keeps_alive``: the client wants to use the connection again; ``old``: it speaks HTTP/1.0."""
        self.method = method
        self.target = target
        self._headers = headers
        self.body = body
        self.keeps_alive = keeps_alive
        self.old = old

    def header(self, name: str) -> str | None:
        """The first value of a header; ``name`` in lower case."""
        value = self._headers.first.get(name.encode())
        return None if value is None else value.decode("utf-8", "surrogateescape")

    @property
    def path(self) -> str:
        """The target without its query. Raises :class:`protocol.Refused` when it is none."""
        return self._split()[0]

    def signed(self) -> service.SignedRequest:
        """What a signature covers."""
        path, query = self._split()
        # The parser lets nothing but ASCII pass for a name.
        headers = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in self._headers.all]
        return service.SignedRequest(self.method, path, query, headers, self.body)

    def _split(self) -> tuple[str, str]:
        target = self.target
        if not target.startswith("/"):
            try:
                parts = urlsplit(target)
            except ValueError as error:
                raise protocol.Refused("SerializationException", "The target of the request is not a URL") from error
            return parts.path, parts.query
        path, _, query = target.partition("?")
        return path, query


@dataclass(slots=True)
class Answer:
    """An answer on its way. ``close`` ends the connection behind it."""

    body: bytes = b""
    status: int = 200
    content_type: str = protocol.JSON_1_0
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    close: bool = False

    def encode(self, request: Request | None = None) -> bytes:
        """All bytes of it, as the answer to ``request``."""
        head = (
            f"{_STATUS_LINES[self.status]}{_date(int(time.time()))}"
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n"
        )
        for name, value in self.headers.items():
            head += f"{name}: {value}\r\n"
        if self.close:
            head += "Connection: close\r\n"
        elif request is not None and request.old:
            head += "Connection: keep-alive\r\n"
        head += "\r\n"
        return head.encode() if request is not None and request.method == "HEAD" else head.encode() + self.body


def refused(error: protocol.Refused, *, close: bool = False) -> Answer:
    """``error`` as an answer."""
    return Answer(protocol.error_body(error), protocol.status_of(error.code), close=close)


class RequestIds:
    """Names for answers, in the form of a version 4 UUID. Unique, and no secret."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def next(self) -> str:
        digits = f"{self._chance.getrandbits(_BITS):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    """Clients whose clock is wrong learn the time from it, and sign again."""
    return f"Date: {email.utils.formatdate(second, usegmt=True)}\r\n"
