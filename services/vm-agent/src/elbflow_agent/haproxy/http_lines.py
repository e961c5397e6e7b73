"""HAProxy's full line of one request: its format, and what is read out of it (spec/vm-agent-data-plane 5.1).

Written with every request, so it costs what it must: what a listener's lines have in common is literal, numbers have
nothing but spaces around them, addresses are hexadecimal because HAProxy's text of one takes longer than all numbers
together. Texts of clients follow as HAProxy itself writes them fastest: noted headers in braces, those of the answer
likewise, and the request's first line. What could be taken for something else there is ``#`` and two hexadecimal
digits, so a brace, or the end of the line, is never a client's.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from elbflow_agent.haproxy import forwarded

_START = "%Tc %Tr %ST %ts %bq %sq"
_REST = "%Tw %TR %Ti %Ts.%ms %[src,hex] %cp %[bc_dst,hex] %sp %U %B"
_TLS = " %Th %sslc %sslv"
"""Of a plain connection there is no handshake to take time."""
_TEXTS = " %hr %hs %r"

BEGINNING = b"[H"
_AHEAD = 7
"""Words of :data:`_START` and of what is in front of it."""

Field: TypeAlias = str | int | float

_LINE = re.compile(
    rb"\[H(\d+)(~?) (-?\d+) (-?\d+) (-?\d+) (\S\S) (\d+) (\d+) (-?\d+) (-?\d+) (-?\d+) (\d+\.\d+) "
    rb"([0-9A-F]+|-) (\d+|-) ([0-9A-F]+|-) (\d+|-) (\d+) (\d+)(?: (-?\d+) (\S+) (\S+))? ([{<].*)",
    re.DOTALL,
)

_SAFE = r"[ !$-\[\]-z~]*"
COMMON = re.compile(
    r"\[H(\d+)~? (\d+) (\d+) ((?!204|304)[2-9]\d\d) \S\S \d+ \d+ (\d+) (\d+) (\d+) (\d+)\.(\d{3}) "
    r"([0-9A-F]{8}) (\d+) ([0-9A-F]{8} \d+) (\d+) (\d+)(?: (\d+) ([\w-]+) (TLSv[\d.]+))? "
    rf"\{{(?:[^|{{}}]*\|){{{forwarded.LENGTH}}}(|0|[1-9]\d*)\|([!$-\[\]-z~]+)\|({_SAFE})\|(?:\|\|)?\}} "
    r"\{(0|[1-9]\d*)\|\} "
    r"(?!HEAD )([A-Z]+) (/[!$-\[\]-~]*) (HTTP/1\.[01])",
    re.ASCII,
)
"""What most lines are: a request that a server answered, of an IPv4 client, with sizes that were announced.

Its groups: port; connect_ms, response_ms, status; wait_ms, request_ms, idle_ms; accepted_at in seconds and
milliseconds; client, client_port, server with its port; received, sent; handshake_ms, cipher, protocol, which are None
without TLS; got (empty when not announced), host, agent (may be empty); gave; method, uri, version. No text in them
needs to be decoded or quoted. Before the braces close, earlier builds have no places for long texts.
"""


def log_format(port: int, *, tls: bool) -> str:
    """The format for the frontend of a listener."""
    return f"[H{port}{'~' if tls else ''} {_START} {_REST}{_TLS if tls else ''}{_TEXTS}"


def beginning(line: bytes) -> list[Field] | None:
    """Its first fields, in the order of ``logs.Short``, or None when they cannot be read."""
    words = line.split(b" ", _AHEAD)[:_AHEAD]
    if len(words) < _AHEAD:
        return None
    listener = words[0].removeprefix(BEGINNING).decode("latin-1")
    try:
        connect_ms, response_ms, status, backend_queue, server_queue = map(int, (*words[1:4], *words[5:]))
    except ValueError:
        return None
    ending = words[4].decode("latin-1")
    return ["H", connect_ms, response_ms, status, ending, backend_queue, server_queue, f"fe-{listener}"]


def fields(line: bytes) -> tuple[list[Field], bytes] | None:
    """Its fields that are no client's, in the order of ``logs.Http``, and what follows them; None for another line."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    port, tls, *start, accepted, client, client_port, server, server_port, received, sent = (
        each.decode("ascii") for each in found.groups()[:-4]
    )
    connect, response, status, ending, backend_queue, server_queue, wait, request, idle = start
    handshake, cipher, protocol = ((each or b"").decode("latin-1") for each in found.groups()[-4:-1])
    return [
        *("H", int(connect), int(response), int(status), ending, int(backend_queue), int(server_queue)),
        *(float(accepted), int(handshake or 0), int(wait), client, client_port, server, server_port),
        *(f"fe-{port}{tls}", int(received), int(sent), cipher or "-", protocol or "-", int(idle), int(request)),
    ], b" " + found.groups()[-1]
