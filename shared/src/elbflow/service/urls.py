"""Addresses as URLs."""

from __future__ import annotations


def url_of(host: str, port: int) -> str:
    """The base URL of an HTTP server at this address; IPv6 addresses go into brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
