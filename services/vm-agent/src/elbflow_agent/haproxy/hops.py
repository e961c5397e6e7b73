"""What clients say of their connection to us does not reach servers (RFC 9110 7.6.1, spec/vm-agent G6).

A server that goes by ``Connection: X-Forwarded-For`` drops what it should learn of the client, and one that upgrades to
HTTP/2 without TLS takes requests from then on that nobody else has seen. HAProxy 2.6 passes both on. A wish for
keep-alive or an end it takes out by itself, so ordinary requests have no ``Connection`` here.
"""

from __future__ import annotations

from elbflow_agent.haproxy import forwarded

_SAID = forwarded.seen(forwarded.CONNECTION)
_CHUNKED = forwarded.seen(forwarded.CHUNKS)
_WISH = "{ req.fhdr(connection) -i -m sub upgrade }"
_UPGRADE = "{ req.fhdr(upgrade) -m found }"


def lines() -> list[str]:
    """Of every HTTP front end, for requests with one of the headers :data:`forwarded.SEEN`."""
    return [
        f"http-request del-header Upgrade if {_SAID} {{ req.fhdr(upgrade) -i -m sub h2c }}",
        f"http-request set-header Connection upgrade if {_SAID} {_WISH} {_UPGRADE}",
        f"http-request del-header Connection if {_SAID} !{_WISH} or {_SAID} !{_UPGRADE}",
        # In one spelling, whichever of those it was in that HAProxy takes for the same.
        f"http-request set-header Transfer-Encoding chunked if {_CHUNKED}",
    ]
