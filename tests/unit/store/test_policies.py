"""Policies, those of back ends, and certificates of listeners, as they are stored."""

from __future__ import annotations

from collections.abc import Callable

from elbflow import store
from elbflow.contract import document

HTTPS = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8000, "arn:one")
POLICIES = (
    document.Policy("one", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),)),
    document.Policy("two", "x"),
)
BACK_ENDS = (document.BackendServerPolicies(25, ("one",)), document.BackendServerPolicies(8000, ("one", "two")))


async def test_a_new_load_balancer_keeps_them(db: store.Store, make: Callable[..., store.LoadBalancer]) -> None:
    async with db.transaction() as tx:
        created = await tx.load_balancers.create(make(policies=POLICIES, backend_policies=BACK_ENDS))
    assert (created.policies, created.backend_policies) == (POLICIES, BACK_ENDS)
    assert created.policies_of_backend(8000) == ("one", "two")
    assert created.policies_of_backend(80) == ()


async def test_they_change(db: store.Store, make: Callable[..., store.LoadBalancer]) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make(policies=POLICIES, listeners=(HTTPS,)))
        other = await tx.load_balancers.create(make("other", policies=POLICIES, listeners=(HTTPS,)))
        await tx.load_balancers.set_backend_policies(lb.id, BACK_ENDS)
        await tx.load_balancers.delete_policy(lb.id, "two")
        await tx.load_balancers.delete_policy(lb.id, "none")
        await tx.load_balancers.set_listener_certificate(lb.id, 443, "arn:two")
    async with db.reading() as tx:
        changed = await tx.load_balancers.get(lb.key)
        assert await tx.load_balancers.get(other.key) == other
    assert changed.backend_policies == BACK_ENDS
    assert changed.policies == POLICIES[:1]
    assert changed.listeners[0].certificate_arn == "arn:two"
    async with db.transaction() as tx:
        await tx.load_balancers.set_backend_policies(lb.id, ())
        await tx.load_balancers.set_listener_certificate(lb.id, 443, None)
        assert (await tx.load_balancers.get(lb.key)).backend_policies == ()
