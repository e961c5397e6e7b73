"""From DNS names back to load balancers."""

from __future__ import annotations

import pytest

from elbflow.contract.document import LoadBalancerKey
from elbflow_api import naming_back
from elbflow_api.rules import naming

ACCOUNT = "123456789012"
SUFFIX = "lb.example.com"


@pytest.mark.parametrize("name", ["web", "Web-1", "a-123456789012", "internal-web", "internal-internal-x", "0"])
def test_the_name_that_was_made_leads_back(name: str) -> None:
    key = LoadBalancerKey(ACCOUNT, name)
    assert key in naming_back.candidates(naming.dns_name(key, SUFFIX), SUFFIX)
    assert key in naming_back.candidates(naming.dns_name(key, SUFFIX).replace("example", "EXAMPLE"), SUFFIX)


def test_internal_names_come_first() -> None:
    found = list(naming_back.candidates(f"internal-web-{ACCOUNT}.{SUFFIX}", SUFFIX))
    assert found == [LoadBalancerKey(ACCOUNT, "web"), LoadBalancerKey(ACCOUNT, "internal-web")]


@pytest.mark.parametrize(
    "dns_name",
    [
        "",
        "web",
        f"web-{ACCOUNT}",
        f"web-{ACCOUNT}.",
        f"web-{ACCOUNT}.lb.example.org",
        f"web.{SUFFIX}",
        f"web-12345.{SUFFIX}",
        f"-{ACCOUNT}.{SUFFIX}",
        f"w_b-{ACCOUNT}.{SUFFIX}",
        f"web-{ACCOUNT}.x.{SUFFIX}",
        f"web-{ACCOUNT}\n.{SUFFIX}",
    ],
)
def test_names_of_nothing(dns_name: str) -> None:
    assert list(naming_back.candidates(dns_name, SUFFIX)) == []
