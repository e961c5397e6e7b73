"""The surge queue: what servers have no room for waits, and what finds the queue full is spilled (spec/vm-agent 3.4).

Only where the connections of a server are bounded. Nothing else is denied in back ends, so their counter of denied
requests is the number of spilled ones.
"""

from __future__ import annotations

from elbflow_agent.haproxy import model, safe

LONGEST = 1024
"""Requests or connections that one listener may have waiting, as with AWS."""


def server_words(listener: model.Listener) -> list[str]:
    """Options of every server of the listener."""
    return [f"maxconn {safe.count(listener.server_connections)}"] if listener.server_connections else []


def backend_lines(listener: model.Listener) -> list[str]:
    """Lines of the listener's back end: HTTP gets an empty 503, a connection is closed."""
    if not listener.server_connections:
        return []
    condition = f"if {{ queue({listener.backend}) ge {LONGEST} }}"
    if listener.mode is model.Mode.HTTP:
        return [f"http-request deny deny_status 503 {condition}"]
    return [f"tcp-request content reject {condition}"]
