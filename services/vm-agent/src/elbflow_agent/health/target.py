"""Health-check targets: ``HTTP:8000/ping``, ``HTTPS:443/``, ``TCP:22``, ``SSL:443`` (spec/vm-agent-data-plane 4.1)."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from elbflow import errors

_FORM = re.compile(r"(?P<scheme>[A-Za-z]+):(?P<port>[0-9]{1,5})(?P<path>/[\x21-\x7e]{0,1023})?")


class Scheme(enum.StrEnum):
    """How to probe."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    SSL = "SSL"

    @property
    def speaks_http(self) -> bool:
        return self in (Scheme.HTTP, Scheme.HTTPS)

    @property
    def encrypted(self) -> bool:
        return self in (Scheme.HTTPS, Scheme.SSL)


class InvalidTarget(errors.Permanent):
    """The health-check target is not one of HTTP:port/path, HTTPS:port/path, TCP:port, SSL:port."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target; ``path`` is empty for TCP and SSL."""

    scheme: Scheme
    port: int
    path: str = ""


def parse(text: str) -> Target:
    """Parse a target; raises :class:`InvalidTarget`. The path is kept byte for byte, colons included."""
    match = _FORM.fullmatch(text)
    if match is None or match["scheme"].upper() not in Scheme.__members__:
        raise InvalidTarget(f"{text[:80]!r} is not a health-check target")
    scheme, port, path = Scheme(match["scheme"].upper()), int(match["port"]), match["path"] or ""
    if not 1 <= port <= 65535:
        raise InvalidTarget(f"health-check port {port} is not between 1 and 65535")
    if scheme.speaks_http != bool(path):
        raise InvalidTarget(f"{scheme} targets {'need a' if scheme.speaks_http else 'have no'} path")
    return Target(scheme, port, path)
