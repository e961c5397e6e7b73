"""The words of HAProxy's configuration that make a listener speak TLS (spec/vm-agent-data-plane 3.4)."""

from __future__ import annotations

from elbflow_agent.haproxy import model, place, safe

_DH_BITS = 2048
_CACHED_SESSIONS = 1000


def bind_words(listener: model.Listener, where: place.Place) -> str:
    """What follows the address on the listener's ``bind`` line; starts with a space, or is empty without TLS.

    ALPN is offered for HTTP alone: what the protocol above SSL is, is not known here.
    """
    tls = listener.tls
    if tls is None:
        return ""
    suites = [safe.cipher(cipher) for cipher in tls.ciphers]
    if tls.legacy:
        suites.append("@SECLEVEL=0")
    words = ["ssl", "crt", safe.path(str(where.key_file(listener.port)))]
    if listener.mode is model.Mode.HTTP:
        words += ["alpn", "http/1.1"]
    words += ["ssl-min-ver", tls.oldest.value, "ssl-max-ver", tls.newest.value, "ciphers", ":".join(suites)]
    if not tls.server_order:
        words.append("prefer-client-ciphers")
    return " " + " ".join(words)


def frontend_lines(listener: model.Listener) -> list[str]:
    """Which certificate the listener has; for people, and for those who read the file back."""
    each = listener.certificate
    return [] if each is None else [f"# certificate {safe.key(each.fingerprint)} {safe.leaf(each.leaf)}"]


def global_lines(wanted: model.Model) -> list[str]:
    """A small cache of sessions, which clients mostly keep themselves as tickets: HAProxy's own takes 4.6 MB of a VM.

    HAProxy has no parameters for DHE suites unless told how long they are to be.
    """
    listeners = [listener.tls for listener in wanted.listeners if listener.tls is not None]
    if not listeners:
        return []
    lines = [f"tune.ssl.cachesize {_CACHED_SESSIONS}"]
    if any(cipher.startswith(("DHE-", "EDH-")) for tls in listeners for cipher in tls.ciphers):
        lines.append(f"tune.ssl.default-dh-param {_DH_BITS}")
    return lines
