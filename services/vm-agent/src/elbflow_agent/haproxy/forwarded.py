"""What instances learn of clients: X-Forwarded-For, -Proto and -Port (spec/vm-agent-data-plane 3.4).

A rule costs HAProxy as much as looking at a header, so what most requests need is done first, and they skip the rest:
the three headers are added as one, whose value has ends of lines in it, and the client's address is made text once per
connection. What follows is for requests with one of the headers in :data:`SEEN`, which HAProxy notes while it reads.
"""

from __future__ import annotations

FOR, PROTO, PORT, CHUNKS, CONNECTION, LENGTH = range(6)
SEEN = (
    ("X-Forwarded-For", 1),
    ("X-Forwarded-Proto", 1),
    ("X-Forwarded-Port", 1),
    ("Transfer-Encoding", 1),
    ("Connection", 1),
    ("Content-Length", 20),
)
"""Headers that are noted, with as much of their value as is kept, by the numbers above."""
_MOST = 3
"""Headers X-Forwarded-For of a request, the last ones, that become one with the client's address at its end."""
_CLIENT, _ALL = "sess.elb_client", "txn.elb_for"


def seen(number: int) -> str:
    """Condition: the request has that header of :data:`SEEN`."""
    return f"{{ capture.req.hdr({number}) -m found }}"


def beginning() -> list[str]:
    """Before all other rules for requests."""
    notes = [f"capture request header {name} len {length}" for name, length in SEEN]
    return [f"tcp-request connection set-var({_CLIENT}) src,concat()", *notes]


def common(port: int, *, tls: bool, others: str = "") -> list[str]:
    """What every request gets, and the end of the rules for those that have none of :data:`SEEN`.

    ``others`` are conditions that must hold for that too.
    """
    plain = " ".join(f"!{seen(number)}" for number in range(len(SEEN)))
    return [
        f'http-request add-header X-Forwarded-For "{_value(_CLIENT, port, tls=tls)}"',
        f"http-request allow if {plain} {others}".rstrip(),
    ]


def ending(port: int, *, tls: bool) -> list[str]:
    """The others: the client's own headers count for nothing, but for a X-Forwarded-For, which is prepended."""
    own_is_last = (f"req.fhdr(X-Forwarded-For,-{2 + back}),concat(', ',{_ALL})" for back in range(_MOST))
    return [
        "http-request del-header X-Forwarded-Proto",
        "http-request del-header X-Forwarded-Port",
        f"http-request allow if !{seen(FOR)}",
        f"http-request set-var({_ALL}) var({_CLIENT})",
        *(f'http-request set-var({_ALL}) "{each}"' for each in own_is_last),
        f'http-request set-header X-Forwarded-For "{_value(_ALL, port, tls=tls)}"',
    ]


def added(client: str, port: int, *, tls: bool) -> int:
    """Bytes that :func:`common` adds to what HAProxy counts of a request's headers."""
    return len(f"X-Forwarded-For{client}\r\nX-Forwarded-Proto: {_scheme(tls=tls)}\r\nX-Forwarded-Port: {port}")


def _value(variable: str, port: int, *, tls: bool) -> str:
    # Ends of lines must be the format's own: those that come out of an expression are written as %0D%0A.
    return rf"%[var({variable})]\r\nX-Forwarded-Proto: {_scheme(tls=tls)}\r\nX-Forwarded-Port: {port}"


def _scheme(*, tls: bool) -> str:
    return "https" if tls else "http"
