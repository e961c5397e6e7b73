"""Health-check configuration (spec/vm-agent-data-plane 4.1, AWS ranges)."""

from __future__ import annotations

import re
from dataclasses import replace

from elbflow.contract import document
from elbflow_api import query

_LONGEST_PATH = 1024
_TARGET = re.compile(r"(?P<scheme>[A-Za-z]+):(?P<port>[0-9]{1,5})(?P<path>/[!-~]*)?")
_SCHEMES = frozenset(protocol.value for protocol in document.Protocol)
_WITH_PATH = ("HTTP", "HTTPS")


def read(given: query.Params) -> document.HealthCheck:
    """The health check with its target in canonical form. Ranges of single values are checked by the model."""
    check = document.HealthCheck(
        target=canonical_target(given.text("Target")),
        interval_s=given.integer("Interval"),
        timeout_s=given.integer("Timeout"),
        unhealthy_threshold=given.integer("UnhealthyThreshold"),
        healthy_threshold=given.integer("HealthyThreshold"),
    )
    if check.timeout_s >= check.interval_s:
        raise query.validation_error("HealthCheck timeout must be less than interval")
    return check


def default(instance_port: int, *, original: bool) -> document.HealthCheck:
    """The check a load balancer begins with: AWS's, or else the original's (spec/elb-control-plane 5.5)."""
    check = document.HealthCheck(f"TCP:{instance_port}")
    return replace(check, unhealthy_threshold=3, healthy_threshold=3) if original else check


def canonical_target(target: str) -> str:
    """``target`` with its scheme in upper case and its port in plain decimal.

    The path is kept as it is; it may hold printable ASCII without blanks, so it can be sent in a request line.
    """
    scheme = target.partition(":")[0].upper()
    if scheme not in _SCHEMES:
        raise query.validation_error("HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL")
    found = _TARGET.fullmatch(target)
    port = int(found["port"]) if found else 0
    path = (found["path"] or "") if found else ""
    if scheme in _WITH_PATH:
        if not path or not 1 <= port <= 65535:
            raise query.validation_error(
                f"HealthCheck {scheme} Target must specify a port followed by a path that begins with a slash. "
                f"e.g. {scheme}:80/ping/this/path"
            )
        if len(path) > _LONGEST_PATH:
            raise query.validation_error(f"HealthCheck path cannot be longer than {_LONGEST_PATH} characters")
    elif path or not 1 <= port <= 65535:
        raise query.validation_error(f"HealthCheck {scheme} Target must specify a port number. e.g. {scheme}:443")
    return f"{scheme}:{port}{path}"


def shown(check: document.HealthCheck) -> dict[str, query.Value]:
    """A health check as responses show it."""
    return {
        "Target": check.target,
        "Interval": check.interval_s,
        "Timeout": check.timeout_s,
        "UnhealthyThreshold": check.unhealthy_threshold,
        "HealthyThreshold": check.healthy_threshold,
    }
