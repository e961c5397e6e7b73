"""The load-balancer document."""

from __future__ import annotations

from dataclasses import replace

import pydantic
import pytest

from elbflow import flow
from elbflow.contract import document

DOCUMENT = document.LoadBalancerDocument(
    key=document.LoadBalancerKey("123456789012", "web"),
    generation=7,
    zone="local-1a",
    listeners=(
        document.Listener(document.Protocol.HTTP, 80, document.Protocol.HTTP, 8000, policy_names=("sticky",)),
        document.Listener(document.Protocol.TCP, 25, document.Protocol.TCP, 2500),
    ),
    backends=(
        document.BackendInstance("i-1", "10.0.0.1"),
        document.BackendInstance("i-2", "10.0.0.2", report_health=False),
    ),
    health_check=document.HealthCheck("HTTP:8000/ping"),
    policies=(document.Policy("sticky", "LBCookieStickinessPolicyType", (("CookieExpirationPeriod", "60"),)),),
    backend_policies=(document.BackendServerPolicies(8000, ("proxy",)),),
    attributes=document.Attributes(cross_zone=True),
)


def test_the_hash_ignores_the_generation_alone() -> None:
    assert replace(DOCUMENT, generation=8).content_hash() == DOCUMENT.content_hash()


@pytest.mark.parametrize(
    "changes",
    [
        {"zone": "local-1b"},
        {"listeners": DOCUMENT.listeners[:1]},
        {"backends": DOCUMENT.backends[::-1]},
        {"health_check": document.HealthCheck("HTTP:8000/pong")},
        {"policies": ()},
        {"backend_policies": ()},
        {"attributes": document.Attributes()},
        {"key": document.LoadBalancerKey("123456789012", "Web")},
    ],
)
def test_the_hash_sees_every_other_change(changes: dict[str, object]) -> None:
    changed = replace(DOCUMENT, **changes)  # type: ignore[arg-type]
    assert changed.content_hash() != DOCUMENT.content_hash()


def test_the_hash_is_the_same_in_every_process() -> None:
    assert (
        DOCUMENT.content_hash()
        == flow.decode(
            flow.encode(DOCUMENT, document.LoadBalancerDocument), document.LoadBalancerDocument
        ).content_hash()
    )
    assert len(DOCUMENT.content_hash()) == 32


def test_it_travels() -> None:
    text = flow.encode(DOCUMENT, document.LoadBalancerDocument)
    assert flow.decode(text, document.LoadBalancerDocument) == DOCUMENT


def test_tls_is_another_word_for_ssl() -> None:
    told = '{"protocol":"TLS","port":443,"instance_protocol":"TLS","instance_port":443}'
    adapter = pydantic.TypeAdapter(document.Listener)
    ssl = document.Protocol.SSL
    assert adapter.validate_json(told) == document.Listener(ssl, 443, ssl, 443)
    assert adapter.dump_python(adapter.validate_json(told), mode="json")["protocol"] == "SSL"
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_json(told.replace("TLS", "UDP"))
