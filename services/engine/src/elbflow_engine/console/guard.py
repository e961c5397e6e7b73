"""Who may look, and what a browser may do with what it gets.

The console shows what the executions of all accounts carry, so it is for the people of this machine: requests must
come from it and name it. A page from elsewhere that makes a browser ask us under its own name (DNS rebinding) is
refused by the name, one that asks under ours by what browsers say about where a request comes from. Names that the
operator configured admit requests from other machines as well: then something before us must know its users.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """``hosts``: names, without ports, under which the console may be asked for besides loopback's."""

    def __init__(self, hosts: Collection[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)

    def refusal(self, request: web.BaseRequest) -> str | None:
        """Why this request is not served, or None."""
        host = _host(request.headers.get("Host", ""))
        if host not in self._hosts:
            if not _is_loopback(host):
                return "The console is not served under this host name. Use a loopback address, or configure the name."
            if not _is_loopback(request.remote or ""):
                return "The console is served to this machine only, unless a host name is configured."
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and not _navigates(request):
            return "Another site may link to the console, but not read it."
        return None


def _navigates(request: web.BaseRequest) -> bool:
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"


def _host(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if header.count(":") == 1 else header.lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
