"""Pure: AWS's access-log lines from HAProxy's (spec/vm-agent-data-plane 6.3, REQ-6.1, REQ-6.5).

Most lines are alike, and become AWS's by one pattern and one format. All others are read field by field; what both can
read they read the same.
"""

from __future__ import annotations

import functools
import http
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from elbflow_agent.haproxy import forwarded, http_lines, logs, model

_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
_BODYLESS = frozenset({204, 304})
_INFORMATIONAL = range(100, 200)
# HAProxy counts what it keeps in its buffers: no ": ", no ends of lines, but its own record of the first line.
_FIRST_LINE = 20
_MARKS = 2
"""Marks behind the headers and behind the body."""


@dataclass(frozen=True, slots=True)
class Converted:
    """An object's content, how many lines it has, and how many could not be read."""

    body: bytes
    lines: int
    unreadable: int


def convert(raw: bytes, name: str) -> Converted:
    """Lines of HAProxy as those of load balancer ``name``. Notes and short lines that HAProxy wrote too are skipped."""
    written: list[str] = []
    unreadable = 0
    for text in raw.decode("latin-1").split("\n"):
        if not text.startswith("["):
            continue
        if (converted := common(text, name)) is not None:
            written.append(converted)
            continue
        line = text.encode("latin-1")
        entry = logs.entry(line)
        if entry is not None:
            written.append(line_of(entry, name))
        elif not logs.is_short(line):
            unreadable += 1
    text = "\n".join((*written, "")) if written else ""
    return Converted(text.encode("ascii"), len(written), unreadable)


def common(line: str, name: str) -> str | None:
    """The 15 fields of one of :data:`http_lines.COMMON`, or None for another line."""
    found = http_lines.COMMON.fullmatch(line)
    if found is None:
        return None
    # Each step costs as much as the whole pattern does, so what repeats comes from caches, made of texts as they are.
    at, connect, response, status, wait, request, idle, seconds, millis, client, client_port, *others = found.groups()
    server, received, sent, handshake, cipher, protocol, got, host, agent, gave, method, uri, version = others
    if "://" in uri:
        return None
    moment_ms = int(seconds + millis) + int(idle)
    if handshake is None:
        cipher = protocol = "-"
    else:
        moment_ms += int(handshake)
    body = "0" if not got else got if int(got) <= int(received) else received
    return (
        f"{_second(moment_ms // 1000)}.{moment_ms % 1000:03}000Z {name} {logs.address(client)}:{client_port} "
        f"{_server(server)} {_sum(request, wait, connect)} {_sum(response)} {_AT_ONCE} {status} {status} {body} "
        f'{gave if int(gave) <= int(sent) else sent} "{method} {_site(protocol, host, at)}{uri} {version}" '
        f'"{agent or "-"}" {cipher} {protocol}'
    )


def line_of(entry: logs.Entry, name: str) -> str:
    """The 15 fields of one request or connection."""
    return " ".join(_http(entry, name) if isinstance(entry, logs.Http) else _tcp(entry, name))


def _http(entry: logs.Http, name: str) -> Iterator[str]:
    waited_ms = entry.handshake_ms + max(entry.idle_ms, 0)
    dispatched = entry.connect_ms >= 0
    answered = entry.response_ms >= 0
    status = str(entry.status) if entry.status > 0 else "-"
    yield from _start(entry, name, entry.accepted_at + waited_ms / 1000)
    yield _seconds(max(entry.request_ms, 0) + entry.wait_ms + entry.connect_ms if dispatched else -1)
    yield _seconds(entry.response_ms)
    # HAProxy passes headers on as they come: the time until the answer begins is within a millisecond.
    yield _seconds(0 if answered else -1)
    yield status
    yield status if answered else "0"
    yield str(_received(entry))
    yield str(_sent(entry))
    yield f'"{_request(entry)}"'
    yield f'"{_quoted(entry.agent)}"'
    yield entry.cipher
    yield entry.protocol


def _tcp(entry: logs.Tcp, name: str) -> Iterator[str]:
    yield from _start(entry, name, entry.accepted_at)
    connected = entry.connect_ms >= 0
    yield _seconds(entry.handshake_ms + entry.wait_ms + entry.connect_ms if connected else -1)
    # What flows through a connection has no beginnings to measure.
    yield from (_seconds(-1), _seconds(-1), "-", "-", str(entry.received), str(entry.sent))
    yield from ('"- - - "', '"-"', entry.cipher, entry.protocol)


def _start(entry: logs.Entry, name: str, at: float) -> Iterator[str]:
    whole, fraction = divmod(round(at * 1_000_000), 1_000_000)
    yield f"{_second(whole)}.{fraction:06d}Z"
    yield name
    yield f"[{entry.client}]:{entry.client_port}" if ":" in entry.client else f"{entry.client}:{entry.client_port}"
    yield f"{entry.server}:{entry.server_port}" if entry.connect_ms >= 0 else "-"


# Lines repeat moments, durations and ports; what they become is half of their conversion.
@functools.lru_cache(maxsize=8)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


@functools.lru_cache(maxsize=4096)
def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.6f}" if milliseconds >= 0 else "-1"


_AT_ONCE = _seconds(0)


@functools.lru_cache(maxsize=4096)
def _sum(*milliseconds: str) -> str:
    return _seconds(sum(map(int, milliseconds)))


@functools.lru_cache(maxsize=4096)
def _server(text: str) -> str:
    packed, _, port = text.partition(" ")
    return f"{logs.address(packed)}:{port}"


def _request(entry: logs.Http) -> str:
    # HAProxy's word for what it could not read to its end, which a line may also be that is only long.
    version = entry.version if entry.version.startswith("HTTP/") else "-"
    if entry.uri == "-" and version == "-":
        return "- - - "
    return f"{_quoted(entry.method)} {_quoted(_url(entry))} {_quoted(version)}"


def _url(entry: logs.Http) -> str:
    if "://" in entry.uri.split("?", 1)[0]:
        return entry.uri
    separator = "" if entry.uri.startswith("/") else "/"
    return f"{_site(entry.protocol, entry.host, str(_port(entry.frontend)))}{separator}{entry.uri}"


@functools.lru_cache(maxsize=256)
def _site(protocol: str, host: str, port: str) -> str:
    bare = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdecimal() else host
    return f"{'http' if protocol == '-' else 'https'}://{bare}:{port}"


def _quoted(text: str) -> str:
    return text if _UNSAFE.search(text) is None else _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found.group()):02x}"


@functools.lru_cache(maxsize=256)
def _port(frontend: str) -> int:
    return model.port_of(frontend.rstrip("~")) or 0


def _received(entry: logs.Http) -> int:
    if entry.got.isdecimal():
        return min(int(entry.got), entry.received)
    if not entry.got_head.isdecimal():
        return 0
    head = int(entry.got_head) - forwarded.added(entry.client, _port(entry.frontend), tls=entry.protocol != "-")
    return _beyond_head(entry.received, head, len(entry.method) + len(entry.uri) + len(entry.version))


def _sent(entry: logs.Http) -> int:
    if entry.method == "HEAD" or entry.status in _BODYLESS or entry.status in _INFORMATIONAL:
        return 0
    if entry.gave.isdecimal():
        return min(int(entry.gave), entry.sent)
    if not entry.gave_head.isdecimal():
        return entry.sent
    return _beyond_head(entry.sent, int(entry.gave_head), len("HTTP/1.1200") + len(_phrase(entry.status)))


def _beyond_head(total: int, head: int, first_line: int) -> int:
    return max(0, total - head - _FIRST_LINE - first_line - _MARKS)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
