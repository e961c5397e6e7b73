"""Random requests for all operations, most of them as they should be and some spoiled in one of many ways."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from tests.property.engine import wire_values

ODD_JSON: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    10**40,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"": None},
    [{}],
    {"a": {"b": [1]}},
)
TARGETS = (
    "SimpleWorkflowService",
    "com.amazonaws.swf.service.model.SimpleWorkflowService",
    "DynamoDB_20120810",
    "",
    ".",
)
WORK = ("RespondDecisionTaskCompleted", "RespondActivityTaskCompleted", "PollForDecisionTask", "PollForActivityTask")
MUTATED = (b"@activity.", b"@decisio", b"@@decision", b"@page", b"x@activity", b"@activity=")
ENCODINGS = ("amz-1.0", "identity", "gzip", "deflate", "br", "gzip, gzip")
HEADERS = (
    b"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/swf/aws4_request",
    b"Authorization: \xff\xfe",
    b"Authorization: AWS4-HMAC-SHA256 Credential=////",
    b"Content-Type: text/plain; charset=\xff",
    b"Content-Type: application/json; charset=UTF-16",
    b"Expect: 100-continue",
    b"Expect: a miracle",
    b"X-Swf-Max-Hold: 5",
    b"X-Swf-Max-Hold: \xd9\xa3",
    b"Connection: Upgrade\r\nUpgrade: websocket",
    b"Connection: close",
    b"Cookie: " + b"a=b; " * 300,
    b"X-Amz-Date: never",
    b"Transfer-Encoding: identity",
    b"Content-Length: 3",
)


@dataclass(frozen=True)
class Shot:
    """One thing to send. ``body`` may hold ``@`` names until the last moment; ``raw`` needs no answer."""

    operation: str
    target: str
    body: bytes
    headers: tuple[bytes, ...] = ()
    method: bytes = b"POST"
    gzipped: bool = False
    chunk: int = 0
    cut: float = 1.0
    noise: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether this is HTTP with an end, so that an answer must come."""
        return self.cut == 1.0 and not self.noise

    def bytes(self, substitute: Callable[[bytes], bytes]) -> bytes:
        body = substitute(self.body)
        if self.gzipped:
            body = gzip.compress(body)
        lines = [self.method + b" / HTTP/1.1", b"Host: x", b"X-Amz-Target: " + self.target.encode(errors="replace")]
        lines += self.headers
        lines += [b"Content-Encoding: gzip"] * self.gzipped
        if self.chunk:
            lines.append(b"Transfer-Encoding: chunked")
            pieces = [body[at : at + self.chunk] for at in range(0, len(body), self.chunk)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            lines.append(b"Content-Length: %d" % len(body))
        sent = b"\r\n".join(lines) + b"\r\n\r\n" + body
        sent = sent[: int(len(sent) * self.cut)]
        return sent + self.noise


def deep(levels: int, opener: str) -> bytes:
    closer = "]" if opener == "[" else "}"
    inside = opener if opener == "[" else '{"a":'
    return (inside * levels + "1" + closer * levels).encode()


def spoiled_values(value: Any) -> st.SearchStrategy[Any]:
    """``value`` with one node replaced by something else."""
    paths = [(), *_paths(value, ())]
    odd = st.one_of(st.sampled_from(ODD_JSON), st.just("y" * 100_000), st.just([{"k": 1}] * 3_000))
    return st.builds(lambda path, new: _replaced(value, path, new), st.sampled_from(paths), odd)


def _paths(value: Any, path: tuple[Any, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def spoiled_bytes(body: bytes) -> st.SearchStrategy[bytes]:
    """``body`` as broken JSON, broken text, or JSON that says things twice."""
    at = st.integers(0, len(body))
    odd = st.sampled_from(
        [
            b"\xff",
            b"\xed\xa0\x80",
            b"\x00",
            b'"',
            b"\\ud800",
            b"\\",
            b",",
            b"{",
            b"NaN",
            b"1e999",
            b"\xef\xbb\xbf",
            b" " * 9,
        ]
    )
    return st.one_of(
        st.builds(lambda position, bit: body[:position] + bit + body[position:], at, odd),
        st.builds(lambda position: body[:position], at),
        st.builds(lambda position: body[:position] + body[position + 1 :], at),
        st.sampled_from([deep(1500, "["), deep(1500, "{"), deep(900, "{"), deep(900, "["), b"", b"null", b"[]", b"7"]),
        st.just(body.replace(b"{", b'{"domain":"shed",', 1)),
        st.just(b'{"a":' + deep(500, "[") + b"," + body[1:]),
    )


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _token_of(operation: str) -> bytes:
    return b"@decision" if operation == "RespondDecisionTaskCompleted" else b"@activity"


@st.composite
def shots(draw: st.DrawFn) -> Shot:
    operation = draw(st.sampled_from([*wire_values.service().operation_names, *WORK * 2]))
    target = f"SimpleWorkflowService.{operation}"
    value = draw(wire_values.inputs(operation, wild=draw(st.booleans())))
    spoil = draw(st.integers(0, 29)) - 18  # most are left as they are
    if spoil == 0:
        return Shot(operation, target, _encoded(draw(spoiled_values(value))))
    body = _encoded(value).replace(b"@task", _token_of(operation) if spoil < 1 else b"@activity")
    if spoil == 1:
        return Shot(operation, target, draw(spoiled_bytes(body)))
    if spoil == 2:
        prefix = draw(st.sampled_from(TARGETS))
        return Shot(
            operation, draw(st.sampled_from([f"{prefix}.{operation}", prefix, f"{target}x", "\u0100" * 9])), body
        )
    if spoil == 3:
        return Shot(operation, target, body, draw(st.lists(st.sampled_from(HEADERS), max_size=3).map(tuple)))
    if spoil == 4:
        method = draw(st.sampled_from([b"GET", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"POST", b"get", b"\xff"]))
        return Shot(operation, target, body, method=method)
    if spoil == 5:
        return Shot(operation, target, body, gzipped=True)
    if spoil == 6:
        coding = draw(st.sampled_from(ENCODINGS)).encode()
        return Shot(operation, target, body, (b"Content-Encoding: " + coding,))
    if spoil == 7:
        return Shot(operation, target, body, chunk=draw(st.sampled_from([1, 7, 4096])))
    if spoil == 8:
        return Shot(operation, target, body, cut=draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 0.99])))
    if spoil == 9:
        noise = draw(st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"POST", b"GET / HTTP/1.1\r\n\r\n"])))
        return Shot(operation, target, body, noise=noise)
    if spoil == 10:
        return Shot(operation, target, body.replace(b"@activity", draw(st.sampled_from(MUTATED))))
    return Shot(operation, target, body)
