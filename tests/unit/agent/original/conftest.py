"""A document with something in every field that the original tells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from elbflow.contract import document

HTTP, HTTPS, TCP, SSL = document.Protocol.HTTP, document.Protocol.HTTPS, document.Protocol.TCP, document.Protocol.SSL

PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8PPQTTuziAwhLvNCteZ/havYefho
uqFgZyLPH60Vbo4lS4ZIDGPWZB+Dbzd6bDiHqVZcUT3r5jevR3Nezl+P6g==
-----END PUBLIC KEY-----"""
STICKY = document.Policy("sticky", "LBCookieStickinessPolicyType", (("CookieExpirationPeriod", "60"),))
AUTHENTICATION = document.Policy(
    "auth",
    "BackendServerAuthenticationPolicyType",
    (("PublicKeyPolicyName", "key-1"), ("PublicKeyPolicyName", "key-2")),
)
KEYS = tuple(document.Policy(name, "PublicKeyPolicyType", (("PublicKey", PEM),)) for name in ("key-1", "key-2"))
POLICIES = (AUTHENTICATION, *KEYS, STICKY)


@pytest.fixture
def full() -> document.LoadBalancerDocument:
    return document.LoadBalancerDocument(
        key=document.LoadBalancerKey("000000000001", "web-1"),
        generation=0,
        zone="one",
        listeners=(
            document.Listener(HTTP, 80, HTTPS, 8443, policy_names=("sticky",)),
            document.Listener(SSL, 443, TCP, 8000, "arn:aws:iam::000000000001:server-certificate/c"),
        ),
        backends=(
            document.BackendInstance("i-1", "10.0.0.1"),
            document.BackendInstance("i-2", "10.0.0.2", report_health=False),
        ),
        health_check=document.HealthCheck("HTTP:8000/a:b", 10, 4, 3, 5),
        policies=POLICIES,
        backend_policies=(document.BackendServerPolicies(8443, ("auth",)),),
        attributes=document.Attributes(
            idle_timeout_s=120,
            cross_zone=True,
            draining_enabled=True,
            draining_timeout_s=7,
            access_log_enabled=True,
            access_log_bucket="logs",
            access_log_prefix="a/b",
            access_log_interval_min=5,
        ),
    )


@dataclass
class FakeServo:
    """Serves whatever it is given, unless it has a ``failure``."""

    in_force: document.LoadBalancerDocument | None = None
    failure: Exception | None = None
    overtaken_by: document.LoadBalancerDocument | None = None
    applied: list[document.LoadBalancerDocument] = field(default_factory=list)

    async def apply(self, wanted: document.LoadBalancerDocument) -> document.Applied:
        if self.failure is not None:
            raise self.failure
        self.applied.append(wanted)
        self.in_force = self.overtaken_by or wanted
        return document.Applied(self.in_force.generation, self.in_force.content_hash())


@pytest.fixture
def servo() -> FakeServo:
    return FakeServo()


def without(wanted: document.LoadBalancerDocument, *names: str) -> document.LoadBalancerDocument:
    return replace(wanted, policies=tuple(each for each in wanted.policies if each.name not in names))
