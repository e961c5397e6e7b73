"""Sends shots and judges every answer."""

from __future__ import annotations

import collections
import contextlib
import json
import random
import socket
from typing import Any
from urllib.parse import urlsplit

from botocore import parsers
from tests.property.engine import wire_values
from tests.property.engine.wire_requests import Shot

PATIENCE_S = 30.0
PREFIXES = ("com.amazonaws.swf.base.model", "com.amazon.coral.validate", "com.amazon.coral.service")
STATUS = {"RequestEntityTooLargeException": 413, "ServiceUnavailable": 503}


class Misbehaviour(AssertionError):
    """The engine broke a promise."""


class Shooter:
    """Sends shots over one connection after the other and looks at every answer."""

    def __init__(self, url: str, seed: int = 0) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._chance = random.Random(seed)
        self._known: dict[str, collections.deque[str]] = collections.defaultdict(lambda: collections.deque(maxlen=4))
        self._socket: socket.socket | None = None
        self.codes: collections.Counter[str] = collections.Counter()
        self.accepted: collections.Counter[str] = collections.Counter()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def shoot(self, shot: Shot) -> None:
        """Raises :class:`Misbehaviour` when the answer is not what the protocol allows, or when none comes."""
        data = shot.bytes(self._substitute)
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=PATIENCE_S)
            answered = self._send(shot, data)
        except TimeoutError as error:
            raise Misbehaviour(f"no answer within {PATIENCE_S} s") from error
        except ConnectionError:
            answered = False
        if not answered:
            self.close()

    def _send(self, shot: Shot, data: bytes) -> bool:
        """Whether the connection is still good."""
        assert self._socket is not None
        self._socket.sendall(data)
        if shot.whole and not shot.headers and shot.method == b"POST":
            return self._answer(shot, self._socket)
        # An answer may or may not come: send no more and take what there is.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while self._answer(shot, self._socket, needed=False):
                continue
        return False

    def _answer(self, shot: Shot, line: socket.socket, *, needed: bool = True) -> bool:
        head = _until(line, b"\r\n\r\n")
        if not head:
            if needed:
                raise Misbehaviour("the connection was closed without an answer")
            return False
        first, *rest = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        status = int(first.split()[1])
        if status == 100:
            return True
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        body = b"" if shot.method == b"HEAD" else _exactly(line, int(headers["content-length"]))
        if shot.method != b"HEAD":
            self._judge(shot, status, headers, body)
        return headers.get("connection", "keep-alive") != "close"

    def _judge(self, shot: Shot, status: int, headers: dict[str, str], body: bytes) -> None:
        if headers["content-type"] not in ("application/x-amz-json-1.0", "application/json"):
            raise Misbehaviour(f"content type {headers['content-type']}")
        if status == 200:
            self._learn(shot, body)
            return
        error = json.loads(body)
        prefix, _, code = error["__type"].partition("#")
        self.codes[code] += 1
        if set(error) != {"__type", "message"} or prefix not in PREFIXES or not isinstance(error["message"], str):
            raise Misbehaviour(f"malformed error {body[:200]!r}")
        if status != STATUS.get(code, 400) or code in ("InternalFailure", "ServiceUnavailable"):
            raise Misbehaviour(f"{status} {body[:500]!r}")

    def _learn(self, shot: Shot, body: bytes) -> None:
        self.accepted[shot.operation] += 1
        output = wire_values.service().operation_model(shot.operation).output_shape
        if (output is None or not output.members) != (not body):
            raise Misbehaviour(f"void or not? {body[:200]!r}")
        if not body:
            return
        answer = json.loads(body)
        if b":null" in body.replace(b" ", b"") and _holds_null(answer):
            raise Misbehaviour(f"null in {body[:500]!r}")
        parsers.create_parser("json").parse({"headers": {}, "body": body, "status_code": 200}, output)
        for name, member in (("activity", "taskToken"), ("page", "nextPageToken")):
            if member in answer:
                self.learn("decision" if "previousStartedEventId" in answer else name, answer[member])

    def learn(self, name: str, value: str) -> None:
        """Remember what ``@name`` may stand for."""
        self._known[name].append(value)

    def _substitute(self, body: bytes) -> bytes:
        for name in ("decision", "activity", "page", "run_w0", "run_w1"):
            if f"@{name}".encode() in body:
                known = self._known[name] or ["none"]
                chosen = known[-1] if self._chance.random() < 0.8 else self._chance.choice(known)
                body = body.replace(f"@{name}".encode(), chosen.encode())
        return body


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return value is None or (isinstance(value, list) and any(map(_holds_null, value)))


def _until(line: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        byte = line.recv(1)
        if not byte:
            return b""
        read += byte
    return read


def _exactly(line: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        piece = line.recv(count - len(read))
        if not piece:
            raise Misbehaviour(f"the answer ended after {len(read)} of {count} bytes")
        read += piece
    return read
