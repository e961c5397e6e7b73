"""HAProxy's log lines: what makes HAProxy write them, and what they say (spec/vm-agent-data-plane 5.1, REQ-5.1).

Every line is one JSON array. HAProxy writes it into a pipe that itself holds open for reading and writing: the pipe
and what is in it outlive every agent, a full one costs a line and never a request, and many lines can be taken with
one system call. A datagram socket would vanish with its agent and hold ten lines.

Lines of both lengths begin alike; the short ones serve only to measure, and a busy listener writes but a few of them.
"""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson

FD = 9
"""File descriptor of the pipe inside HAProxy."""
_TAKEN_FD = 8
_LOG = f"log fd@{FD} len 65535 format raw daemon info info"
_LONGEST_URI = 16384
_SHOWN_RATE = 100
"""Requests or connections per second and listener of which all are measured; beyond only one of ``_ONE_OF`` is."""
_ONE_OF = 64

_HTTP_SHORT = '["H",%Tc,%Tr,%ST,"%ts",%bq,%sq'
_TCP_SHORT = '["T",%Tc,-1,-1,"%ts",%bq,%sq'
_BOTH = ',%Ts.%ms,%Th,%Tw,"%ci","%cp","%si","%sp","%f",%U,%B,"%sslc","%sslv"'
_HTTP_ONLY = (
    ',%Ti,%TR,"%[capture.req.method]","%[capture.req.uri,json(ascii)]","%[capture.req.ver]"'
    ',"%[var(txn.elb_host),json(ascii)]","%[var(txn.elb_agent),json(ascii)]"'
    ',"%[var(txn.elb_got)]","%[var(txn.elb_got_head)]","%[var(txn.elb_got_heads)]"'
    ',"%[var(txn.elb_gave)]","%[var(txn.elb_gave_head)]","%[var(txn.elb_gave_heads)]"'
)
_HTTP_RULES = (
    "http-request set-var(txn.elb_host) req.fhdr(host)",
    "http-request set-var(txn.elb_agent) req.fhdr(user-agent)",
    # Sizes are counted without headers; those of bodies that do not announce theirs follow from the headers' size.
    "http-request set-var(txn.elb_got) req.hdr_val(content-length)",
    "http-request set-var(txn.elb_got_head) req.hdrs,length if { req.hdr(transfer-encoding) -m found }",
    "http-request set-var(txn.elb_got_heads) req.fhdr_cnt if { req.hdr(transfer-encoding) -m found }",
    "http-after-response set-var(txn.elb_gave) res.hdr_val(content-length)",
    "http-after-response set-var(txn.elb_gave_head) res.hdrs,length unless { res.hdr(content-length) -m found }",
    "http-after-response set-var(txn.elb_gave_heads) res.fhdr_cnt unless { res.hdr(content-length) -m found }",
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
    return (f"tune.http.logurilen {_LONGEST_URI}",) if logging is Logging.FULL else ()


def defaults_lines(logging: Logging) -> tuple[str, ...]:
    """Directives for the defaults of all proxies."""
    return () if logging is Logging.NONE else (_LOG, "option dontlognull")


def frontend_lines(mode: str, logging: Logging) -> tuple[str, ...]:
    """Directives for every frontend in ``mode`` (``http`` or ``tcp``)."""
    http = mode == "http"
    start = _HTTP_SHORT if http else _TCP_SHORT
    if logging is Logging.NONE:
        return ()
    if logging is Logging.SAMPLED:
        return f"log-format '{start}]'", _HTTP_SAMPLING if http else _TCP_SAMPLING
    rest = _BOTH + _HTTP_ONLY if http else _BOTH
    return f"log-format '{start}{rest}]'", *(_HTTP_RULES if http else ())


def block(lines: tuple[str, ...]) -> str:
    """``lines`` as they follow other lines of a section."""
    return "".join(f"\n    {line}" for line in lines)


def logging_of(text: str) -> Logging:
    """Which lines a configuration file makes HAProxy write."""
    if _LOG not in text:
        return Logging.NONE
    return Logging.FULL if _BOTH in text else Logging.SAMPLED


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
    """What every line begins with. Times are in milliseconds, -1 where there is none."""

    kind: str
    connect_ms: int
    response_ms: int
    status: int
    ending: str
    backend_queue: int
    server_queue: int

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
    """A request to an HTTP or HTTPS listener. Texts are Latin-1; numbers as texts are ``-`` when unknown."""

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
    got_heads: str
    gave: str
    gave_head: str
    gave_heads: str


Entry: TypeAlias = Http | Tcp
_SHORT_FIELDS = len(Short._fields)


def short(line: bytes) -> Short | None:
    """The beginning of a line, or None for what is no line of ours: HAProxy also says that proxies stop."""
    fields = _fields(line)
    return Short._make(fields[:_SHORT_FIELDS]) if fields is not None and len(fields) >= _SHORT_FIELDS else None


def entry(line: bytes) -> Entry | None:
    """A full line, or None for what is none."""
    fields = _fields(line)
    if fields is None:
        return None
    kind: type[Http] | type[Tcp] = Http if fields[:1] == ["H"] else Tcp
    return kind._make(fields) if len(fields) == len(kind._fields) else None


def _fields(line: bytes) -> list[str | int | float] | None:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, list) else None
