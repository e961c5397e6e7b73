"""The words of HAProxy's configuration by which servers must prove who they are (spec/vm-agent-data-plane 3.6).

A server is accepted by certificates that a probe has seen and whose public key is one of the policy's; they are in a
file per listener that follows at run time. HAProxy 2.6 takes over such a change only for servers that also have a
certificate of their own, so they get one that means nothing.
"""

from __future__ import annotations

from elbflow_agent.haproxy import model, place, safe

_ALSO_OLD = "ssl-min-ver TLSv1.0 ciphers DEFAULT:@SECLEVEL=0"
"""Servers that know no TLS 1.2, or have a short key, are met as AWS meets them; health checks pass them too."""


def server_words(listener: model.Listener) -> str:
    """How a server of the listener is met with TLS."""
    if listener.anchors is None:
        return f"ssl verify none {_ALSO_OLD}"
    trust = f"ca-file {place.trust_name(listener.port)} crt {place.IDENTITY_NAME}"
    return f"ssl verify required {trust} {_ALSO_OLD}"


def backend_lines(listener: model.Listener) -> list[str]:
    """Which certificates are in the file; for people, and for those who read the configuration back."""
    return [f"# anchor {safe.leaf(anchor.leaf)}" for anchor in listener.anchors or ()]


def global_lines(wanted: model.Model, where: place.Place) -> list[str]:
    """Where the files are: options of servers name them without a directory."""
    if not wanted.anchors:
        return []
    directory = safe.path(str(where.directory))
    return [f"ca-base {directory}", f"crt-base {directory}"]
