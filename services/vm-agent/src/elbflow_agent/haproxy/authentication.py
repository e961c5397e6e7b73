"""Back-end authentication: which public keys servers may have, by the port they listen on (spec/vm-agent 3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.haproxy import der, model

POLICY = "BackendServerAuthenticationPolicyType"
_KEY_POLICY = "PublicKeyPolicyType"
_KEY_POLICY_NAME = "PublicKeyPolicyName"
_ENCRYPTED = (document.Protocol.HTTPS, document.Protocol.SSL)

Keys: TypeAlias = frozenset[str]
"""Digests of the public keys that are accepted."""

Lookup: TypeAlias = Callable[[str, int, Keys], tuple[model.Anchor, ...] | None]
"""By what HAProxy accepts the server of this instance on this port; None while it has not shown one of the keys."""


class Unusable(errors.Permanent):
    """The policy does not say which keys servers may have."""


def nobody(instance_id: str, port: int, keys: Keys) -> None:
    """The lookup of those who have seen no server."""


def of_document(wanted: document.LoadBalancerDocument) -> Mapping[int, Keys]:
    """The keys of every port that is spoken to with TLS and authenticated; unusable policies are left out."""
    found = {}
    for listener in wanted.listeners:
        try:
            keys = of_listener(wanted, listener)
        except Unusable:
            continue
        if keys is not None:
            found[listener.instance_port] = keys
    return found


def of_listener(wanted: document.LoadBalancerDocument, listener: document.Listener) -> Keys | None:
    """The keys of the listener's servers, None when they need not show any; raises :class:`Unusable`."""
    if listener.instance_protocol not in _ENCRYPTED:
        return None
    known = {policy.name: policy for policy in wanted.policies}
    names = {
        name for each in wanted.backend_policies if each.instance_port == listener.instance_port
        for name in each.policy_names
    }  # fmt: skip
    chosen = [known[name] for name in sorted(names) if name in known and known[name].type_name == POLICY]
    if not chosen:
        return None
    return frozenset(key for policy in chosen for key in _keys(policy, known))


def _keys(policy: document.Policy, known: Mapping[str, document.Policy]) -> list[str]:
    found = []
    for name, value in policy.attributes:
        if name != _KEY_POLICY_NAME:
            continue
        named = known.get(value)
        if named is None or named.type_name != _KEY_POLICY:
            raise Unusable(f"policy {policy.name!r} names a public key {value!r} that there is not")
        try:
            found += [der.digest(der.key_of_policy(text)) for what, text in named.attributes if what == "PublicKey"]
        except der.NoKey as error:
            raise Unusable(f"policy {value!r} holds no public key that can be used: {error}") from error
    if not found:
        raise Unusable(f"policy {policy.name!r} names no public key")
    return found
