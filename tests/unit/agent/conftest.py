"""Documents as the control plane sends them, and captured logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
import structlog.testing

from elbflow.contract import document

KEY = document.LoadBalancerKey("000000000001", "web")
HTTP, HTTPS, TCP, SSL = document.Protocol.HTTP, document.Protocol.HTTPS, document.Protocol.TCP, document.Protocol.SSL


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the code logs, as events."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def make_document() -> Callable[..., document.LoadBalancerDocument]:
    """A document with one HTTP listener and two instances; any field may be replaced."""

    def make(**fields: Any) -> document.LoadBalancerDocument:
        values: dict[str, Any] = {
            "key": KEY,
            "generation": 1,
            "zone": "local-1a",
            "listeners": (document.Listener(HTTP, 80, HTTP, 8000),),
            "backends": (
                document.BackendInstance("i-00000002", "10.0.0.2"),
                document.BackendInstance("i-00000001", "10.0.0.1"),
            ),
            "health_check": document.HealthCheck("HTTP:8000/ping"),
        }
        return document.LoadBalancerDocument(**{**values, **fields})

    return make
