"""What listeners and back ends may carry, where a load balancer has more than one of everything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elbflow import store
from elbflow.contract import document
from elbflow_api import query
from elbflow_api.rules import attachments, policy_types

P = document.Protocol
KEYS = tuple(document.Policy(f"key{n}", policy_types.PUBLIC_KEY, (("PublicKey", "k" * 16_000),)) for n in range(4))
TRUSTS = (
    document.Policy(
        "trust", policy_types.BACKEND_AUTHENTICATION, tuple(("PublicKeyPolicyName", f"key{n}") for n in range(3))
    ),
    document.Policy("more", policy_types.BACKEND_AUTHENTICATION, (("PublicKeyPolicyName", "key3"),)),
)
PROXY = document.Policy("proxy", policy_types.PROXY_PROTOCOL, (("ProxyProtocol", "true"),))


def lb(**changes: object) -> store.LoadBalancer:
    plain = store.LoadBalancer(
        id=1,
        key=document.LoadBalancerKey("123456789012", "web"),
        dns_name="web.lb",
        scheme="internet-facing",
        state=store.LoadBalancerState.ACTIVE,
        generation=1,
        created_at=0.0,
        listeners=(
            document.Listener(P.HTTP, 80, P.HTTP, 8000),
            document.Listener(P.TCP, 81, P.TCP, 8000),
            document.Listener(P.TCP, 25, P.SSL, 2500),
            document.Listener(P.TCP, 26, P.SSL, 2600),
        ),
        policies=(*KEYS, *TRUSTS, PROXY),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_only_authentication_asks_how_back_ends_are_spoken_to() -> None:
    attachments.for_backend(lb(), 8000, ["proxy"])
    attachments.for_backend(lb(listeners=lb().listeners[:1]), 8000, ["proxy"])
    with pytest.raises(query.Fault, match="speak HTTPS or SSL"):
        attachments.for_backend(lb(), 8000, ["trust"])


def test_both_kinds_of_policies_go_together() -> None:
    attachments.for_backend(lb(), 2500, ["trust", "proxy"])


def test_the_keys_of_all_back_ends_have_to_fit_into_a_document() -> None:
    attachments.for_backend(lb(), 2500, ["trust"])
    with pytest.raises(query.Fault, match="public keys of all back ends") as caught:
        attachments.for_backend(lb(), 2500, ["trust", "more"])
    assert (caught.value.code, caught.value.status) == ("InvalidConfigurationRequest", 409)
    busy = lb(backend_policies=(document.BackendServerPolicies(2600, ("more",)),))
    with pytest.raises(query.Fault, match="public keys of all back ends"):
        attachments.for_backend(busy, 2500, ["trust"])
    attachments.for_backend(busy, 2600, ["trust"])


def test_what_is_in_use_is_what_is_set_and_the_keys_it_names() -> None:
    busy = lb(backend_policies=(document.BackendServerPolicies(9999, ("more",)),))
    assert attachments.in_use(busy) == {"more", "key3"}
    assert attachments.in_use(lb()) == frozenset()
