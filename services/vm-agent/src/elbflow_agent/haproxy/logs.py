"""HAProxy's log lines: what makes HAProxy write them, and what they say (spec/vm-agent-data-plane 5.1, REQ-5.1).

The full line of a request is :mod:`http_lines`' own; every other one is a JSON array, in which there is no text of
clients'. Arrays of requests with their texts behind them are earlier builds', whose HAProxy may still write them.

HAProxy writes lines into a pipe that itself holds open for reading and writing: the pipe and what is in it outlive
every agent, a full one costs a line and never a request, and many lines can be taken with one system call. A datagram
socket would vanish with its agent and hold ten lines.

Lines of all kinds begin alike; the short ones serve only to measure, and a busy listener writes but a few of them.
"""

from __future__ import annotations

import enum
import functools
import os
import re
import socket
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson

from elbflow_agent.haproxy import forwarded, http_lines

FD = 9
"""File descriptor of the pipe inside HAProxy."""
_TAKEN_FD = 8
_LOG = f"log fd@{FD} len 65535 format raw daemon info info"
_LOGGED_URIS = "tune.http.logurilen 1024"
_SHOWN_RATE = 100
"""Requests or connections per second and listener of which all are measured; beyond only one of ``_ONE_OF`` is."""
_ONE_OF = 64
_IPV4_BYTES = 4

_HTTP_SHORT = '["H",%Tc,%Tr,%ST,"%ts",%bq,%sq'
_TCP_SHORT = '["T",%Tc,-1,-1,"%ts",%bq,%sq'
_TCP_MORE = ',%Ts.%ms,%Th,%Tw,"%[src,hex]","%cp","%[bc_dst,hex]","%sp","%f",%U,%B,"%sslc","%sslv"'
_NOTED_TEXTS = (("Host", 256), ("User-Agent", 512))
_AGENT = len(forwarded.SEEN) + 1
_HEAD = len(forwarded.SEEN) + len(_NOTED_TEXTS)
_LONG_LINE, _LONG_AGENT = _HEAD + 1, _HEAD + 2
# HAProxy has room of the full length for every text, with every request, which costs it more than writing the line. So
# there is little, and for the few that are longer another place. The first line needs some for a method and a version.
_IS_LONG_LINE = "{ url_len gt 960 }"
_IS_LONG_AGENT = f"{{ capture.req.hdr({_AGENT}),length gt 511 }}"
# Sizes are counted without headers; those of bodies that do not announce theirs follow from the headers' size.
_KEPT = "hdrs,length,sub(txn.elb_ends)"
_HTTP_RULES = (
    *(f"capture request header {name} len {length}" for name, length in _NOTED_TEXTS),
    "declare capture request len 10",
    "declare capture request len 16384",
    "declare capture request len 16384",
    "capture response header Content-Length len 20",
    "declare capture response len 10",
)
_HTTP_ANSWER_RULES = (
    "http-after-response capture res.fhdr(content-length) id 0",
    "http-after-response set-var(txn.elb_ends) res.fhdr_cnt,mul(4),add(2)",
    f"http-after-response capture res.{_KEPT} id 1",
)
_HTTP_SELDOM_RULES = (
    f"http-request set-var(txn.elb_ends) req.fhdr_cnt,mul(4),add(2) if {forwarded.seen(forwarded.CHUNKS)}",
    f"http-request capture req.{_KEPT} id {_HEAD} if {forwarded.seen(forwarded.CHUNKS)}",
)
_LONG_TEXT_RULES = (
    f"http-request set-var(txn.elb_version) req.ver if {_IS_LONG_LINE}",
    f"http-request capture \"url,concat(' HTTP/',txn.elb_version)\" id {_LONG_LINE} if {_IS_LONG_LINE}",
    f"http-request capture req.fhdr(user-agent) id {_LONG_AGENT} if {_IS_LONG_AGENT}",
)
_UNSEEN = f"!{{ rand({_ONE_OF}) eq 0 }}"
_HTTP_SAMPLING = f"http-request set-log-level silent if {{ fe_req_rate gt {_SHOWN_RATE} }} {_UNSEEN}"
_TCP_SAMPLING = f"tcp-request content set-log-level silent if {{ fe_sess_rate gt {_SHOWN_RATE} }} {_UNSEEN}"


class Logging(enum.StrEnum):
    """Which lines HAProxy writes: none, a few short ones to measure, or a full one of every request or connection."""

    NONE = "none"
    SAMPLED = "sampled"
    FULL = "full"


def global_lines(logging: Logging) -> tuple[str, ...]:
    """Directives for the section ``global``."""
    return (_LOGGED_URIS,) if logging is Logging.FULL else ()


def defaults_lines(logging: Logging) -> tuple[str, ...]:
    """Directives for the defaults of all proxies."""
    return () if logging is Logging.NONE else (_LOG, "option dontlognull")


def frontend_lines(mode: str, logging: Logging, port: int, *, tls: bool) -> tuple[str, ...]:
    """Directives for the frontend of a listener in ``mode`` (``http`` or ``tcp``)."""
    http = mode == "http"
    start = _HTTP_SHORT if http else _TCP_SHORT
    if logging is Logging.NONE:
        return ()
    if logging is Logging.SAMPLED:
        return f"log-format '{start},\"%f\"]'", _HTTP_SAMPLING if http else _TCP_SAMPLING
    if http:
        return f"log-format '{http_lines.log_format(port, tls=tls)}'", *_HTTP_RULES
    return (f"log-format '{start}{_TCP_MORE}]'",)


def answer_lines(logging: Logging, others: str) -> tuple[str, ...]:
    """Directives for HTTP frontends that end the rules for most answers; for which not, ``others`` says too."""
    if logging is not Logging.FULL:
        return ()
    return f"http-after-response allow if {{ capture.res.hdr(0) -m found }} !{others}", *_HTTP_ANSWER_RULES


def fits(logging: Logging) -> str:
    """Conditions for a request that needs none of :func:`long_text_lines`."""
    return f"!{_IS_LONG_LINE} !{_IS_LONG_AGENT}" if logging is Logging.FULL else ""


def seldom_lines(logging: Logging) -> tuple[str, ...]:
    """Directives for HTTP frontends, for requests with one of the headers :data:`forwarded.SEEN`."""
    return _HTTP_SELDOM_RULES if logging is Logging.FULL else ()


def long_text_lines(logging: Logging) -> tuple[str, ...]:
    """Directives for HTTP frontends, for requests with texts that are longer than usual."""
    return _LONG_TEXT_RULES if logging is Logging.FULL else ()


def block(lines: tuple[str, ...]) -> str:
    """``lines`` as they follow other lines of a section."""
    return "".join(f"\n    {line}" for line in lines)


def logging_of(text: str) -> Logging:
    """Which lines a configuration file makes HAProxy write."""
    if _LOG not in text:
        return Logging.NONE
    return Logging.FULL if _LOGGED_URIS in text else Logging.SAMPLED


def command(program: tuple[str, ...], pipe: Path) -> tuple[str, ...]:
    """``program`` started with ``pipe`` as its descriptor :data:`FD`, which its descendants inherit.

    They hold the pipe of taken lines open too, for the agent alone.
    """
    start = f'taken="$1"; shift; exec "$@" {FD}<>"$0" {_TAKEN_FD}<>"$taken"'
    return ("/bin/sh", "-c", start, str(pipe), str(taken(pipe)), *program)


def taken(pipe: Path) -> Path:
    """The pipe in which lines are on their way to the disk.

    While lines go to the disk their pipe is locked, and whoever writes into it waits for the disk. So HAProxy's own is
    never taken from straight away.
    """
    return pipe.with_name(f"{pipe.name}.taken")


def connected(pid: int, pipe: Path) -> bool:
    """Whether process ``pid`` has ``pipe`` as its descriptor :data:`FD`.

    One that was started otherwise has something else there, a client's connection perhaps. Blocking, but for no time.
    """
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/fd/{FD}"), os.stat(pipe))
    except OSError:
        return False


def logging_for(full: bool) -> Logging:
    """Which lines a load balancer needs with and without access logs."""
    return Logging.FULL if full else Logging.SAMPLED


class Short(NamedTuple):
    """What every line begins with, and its frontend, in whose lines ``~`` marks TLS.

    Times are in milliseconds, -1 where there is none.
    """

    kind: str
    connect_ms: int
    response_ms: int
    status: int
    ending: str
    backend_queue: int
    server_queue: int
    frontend: str = ""

    @property
    def latency_ms(self) -> int | None:
        """AWS's Latency: of HTTP until the response headers, of TCP until the connection; None when it failed."""
        found = self.response_ms if self.kind == "H" else self.connect_ms
        return found if found >= 0 else None

    @property
    def queue(self) -> int:
        """How many waited before it."""
        return self.backend_queue + self.server_queue


class Tcp(NamedTuple):
    """A connection through a TCP or SSL listener; ``accepted_at`` is in epoch seconds."""

    kind: str
    connect_ms: int
    response_ms: int
    status: int
    ending: str
    backend_queue: int
    server_queue: int
    accepted_at: float
    handshake_ms: int
    wait_ms: int
    client: str
    client_port: str
    server: str
    server_port: str
    frontend: str
    received: int
    sent: int
    cipher: str
    protocol: str


class Http(NamedTuple):
    """A request to an HTTP or HTTPS listener. Texts are Latin-1, and ``-`` when unknown.

    ``got`` and ``gave`` are the announced sizes of bodies, ``got_head`` and ``gave_head`` what HAProxy counts of the
    headers of those that have none; that of a request has grown by then (:func:`forwarded.added`).
    """

    kind: str
    connect_ms: int
    response_ms: int
    status: int
    ending: str
    backend_queue: int
    server_queue: int
    accepted_at: float
    handshake_ms: int
    wait_ms: int
    client: str
    client_port: str
    server: str
    server_port: str
    frontend: str
    received: int
    sent: int
    cipher: str
    protocol: str
    idle_ms: int
    request_ms: int
    method: str
    uri: str
    version: str
    host: str
    agent: str
    got: str
    got_head: str
    gave: str
    gave_head: str


Entry: TypeAlias = Http | Tcp
_SHORT_FIELDS = len(Short._fields) - 1
_FRONTEND = Tcp._fields.index("frontend")
_ADDRESSES = Tcp._fields.index("client"), Tcp._fields.index("server")
_NUMBERS = Http._fields.index("method")
_TEXTS = re.compile(r" \{([^{}]*)\} \{([^{}]*)\} (.*)| <BADREQ>", re.DOTALL)
"""Without noted headers where HAProxy gave up before there was a request."""
_ESCAPED = re.compile("#([0-9A-F]{2})")
_NO_HEADERS = "|" * _HEAD, "|"


def short(line: bytes) -> Short | None:
    """The beginning of a line, or None for what is no line of ours: HAProxy also says that proxies stop."""
    if line.startswith(http_lines.BEGINNING):
        begun = http_lines.beginning(line)
        return None if begun is None else Short._make(begun)
    fields, _ = _parts(line)
    if fields is None or len(fields) < _SHORT_FIELDS:
        return None
    at = _FRONTEND if len(fields) > _FRONTEND else _SHORT_FIELDS
    return Short._make([*fields[:_SHORT_FIELDS], fields[at] if len(fields) > at else ""])


def is_short(line: bytes) -> bool:
    """Whether it is a line that was written only to measure."""
    fields, _ = _parts(line)
    return fields is not None and _SHORT_FIELDS <= len(fields) <= len(Short._fields)


def entry(line: bytes) -> Entry | None:
    """A full line, or None for what is none."""
    fields, rest = http_lines.fields(line) or _parts(line)
    if fields is None or len(fields) not in (_NUMBERS, len(Tcp._fields)):
        return None
    try:
        for at in _ADDRESSES:
            fields[at] = address(str(fields[at]))
        if fields[0] == "H":
            return Http._make([*fields, *_texts(rest.decode("latin-1"))])
        return Tcp._make(fields)
    except (TypeError, ValueError):
        return None


def _parts(line: bytes) -> tuple[list[http_lines.Field] | None, bytes]:
    """The array and what follows it."""
    array, end, rest = line.partition(b"]")
    try:
        fields = orjson.loads(array + end)
    except orjson.JSONDecodeError:
        return None, b""
    return (fields if isinstance(fields, list) else None), rest


@functools.lru_cache(maxsize=4096)
def address(text: str) -> str:
    """An address that HAProxy wrote as hexadecimal digits, or ``-`` for none; ValueError for anything else."""
    if text == "-":
        return text
    packed = bytes.fromhex(text)
    return socket.inet_ntop(socket.AF_INET if len(packed) == _IPV4_BYTES else socket.AF_INET6, packed)


def _texts(rest: str) -> tuple[str, ...]:
    """The fields of :class:`Http` that are texts; raises ValueError when something is missing."""
    found = _TEXTS.fullmatch(rest)
    if found is None:
        raise ValueError("no request follows the numbers")
    asked, answered = (found[at + 1] or empty for at, empty in enumerate(_NO_HEADERS))
    noted = asked.split("|")
    # From behind: earlier builds noted fewer headers before these.
    got, host, agent, got_head = map(_decoded, noted[:_LONG_LINE][-4:])
    long_line, long_agent = noted[_LONG_LINE:] or ("", "")
    gave, gave_head = map(_decoded, answered.split("|", 1))
    first = _first_line(found[3] or "", long_line)
    return *first, host, _decoded(long_agent) if long_agent else agent, got, got_head, gave, gave_head


def _first_line(text: str, long: str) -> tuple[str, str, str]:
    """Method, URI and version; of a line that was too long, ``long`` is what follows the method."""
    method, _, tail = text.partition(" ")
    tail = long or tail
    target, _, version = tail.rpartition(" ")
    if not tail:  # HAProxy's word for what it could not read
        return "-", "-", "-"
    if not version.startswith("HTTP/"):  # a line that is too long for the log
        target, version = tail, "-"
    return _decoded(method), _decoded(target), _decoded(version)


def _decoded(text: str) -> str:
    if "#" not in text:
        return text or "-"
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
