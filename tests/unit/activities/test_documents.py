"""Which instances and policies a VM is told of (spec/elb-control-plane 6.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.activities.world import KEY, LISTENER, backend

from elbflow import store
from elbflow.contract import document
from elbflow.store import conditions, documents

UP = store.BackendState.IN_SERVICE
DOWN = store.BackendState.OUT_OF_SERVICE
ERROR = store.BackendState.ERROR


def lb(*backends: store.Backend, zones: tuple[str, ...] = ("a", "b"), **changes: object) -> store.LoadBalancer:
    plain = store.LoadBalancer(
        id=1,
        key=KEY,
        dns_name="web.lb",
        scheme="internet-facing",
        state=store.LoadBalancerState.ACTIVE,
        generation=4,
        created_at=0.0,
        listeners=(LISTENER,),
        zones=tuple(store.Zone(zone, store.ZoneState.IN_SERVICE) for zone in zones),
        backends=backends,
        vms=tuple(store.Vm(f"vm-{zone}", zone, "127.0.0.1", store.VmState.IN_SERVICE, 0.0) for zone in zones),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def told(balancer: store.LoadBalancer, zone: str = "a") -> dict[str, bool]:
    return {one.instance_id: one.report_health for one in documents.of_zone(balancer, zone).backends}


def test_a_zone_probes_its_own_instances_in_service_or_not() -> None:
    assert told(lb(backend("up", "a", UP), backend("down", "a", DOWN), backend("other", "b", UP))) == {
        "up": True,
        "down": True,
    }


def test_a_zone_without_healthy_instances_uses_those_of_others() -> None:
    assert told(lb(backend("down", "a", DOWN), backend("other", "b", UP), backend("sick", "b", DOWN))) == {
        "down": True,
        "other": False,
    }


def test_cross_zone_uses_all_healthy_instances() -> None:
    cross = lb(backend("up", "a", UP), backend("other", "b", UP), attributes=document.Attributes(cross_zone=True))
    assert told(cross) == {"up": True, "other": False}


def test_unusable_instances_are_left_out_but_unreachable_ones_are_probed_on() -> None:
    unreachable = backend("lost", "a", ERROR, reason_code="ELB", description=conditions.UNREACHABLE.description)
    unusable = backend("ending", "a", ERROR, reason_code="Instance", description=conditions.UNUSABLE.description)
    assert told(lb(backend("up", "a", UP), unreachable, unusable)) == {"up": True, "lost": True}


def test_a_bare_address_belongs_to_every_zone() -> None:
    balancer = lb(backend("10.9.9.9", None, UP))
    assert told(balancer, "a") == told(balancer, "b") == {"10.9.9.9": True}


def test_an_instance_without_a_known_address_is_left_out() -> None:
    assert told(lb(backend("new", "a", DOWN, address=""))) == {}


def test_only_policies_in_use_travel_with_the_keys_they_refer_to() -> None:
    policies = (
        document.Policy("sticky", "LBCookieStickinessPolicyType"),
        document.Policy("trust", "BackendServerAuthenticationPolicyType", (("PublicKeyPolicyName", "key"),)),
        document.Policy("key", "PublicKeyPolicyType", (("PublicKey", "pem"),)),
        document.Policy("unused", "AppCookieStickinessPolicyType"),
    )
    listener = replace(LISTENER, policy_names=("sticky", "trust"))
    made = documents.of_zone(lb(listeners=(listener,), policies=policies), "a")
    assert [policy.name for policy in made.policies] == ["sticky", "trust", "key"]


def test_policies_of_back_ends_travel_while_a_listener_uses_their_port() -> None:
    policies = (
        document.Policy("proxy", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),)),
        document.Policy("trust", "BackendServerAuthenticationPolicyType", (("PublicKeyPolicyName", "key"),)),
        document.Policy("key", "PublicKeyPolicyType", (("PublicKey", "pem"),)),
    )
    used = document.BackendServerPolicies(LISTENER.instance_port, ("trust",))
    left_over = document.BackendServerPolicies(1, ("proxy",))
    balancer = lb(policies=policies, backend_policies=(left_over, used))
    made = documents.of_zone(balancer, "a")
    assert made.backend_policies == (used,)
    assert [policy.name for policy in made.policies] == ["trust", "key"]
    without = replace(balancer, backend_policies=(left_over,))
    assert documents.of_zone(without, "a").content_hash() == documents.of_zone(lb(), "a").content_hash()


@pytest.mark.parametrize("state", [store.VmState.ERROR, store.VmState.RETIRED, store.VmState.OUT_OF_SERVICE])
def test_only_working_vms_of_enabled_zones_are_talked_to(state: store.VmState) -> None:
    balancer = lb()
    broken = replace(balancer, vms=(replace(balancer.vms[0], state=state), balancer.vms[1]))
    assert [vm.instance_id for vm in documents.talking_vms(broken)] == ["vm-b"]
    disabled = replace(balancer, zones=(store.Zone("a", store.ZoneState.OUT_OF_SERVICE), balancer.zones[1]))
    assert [vm.instance_id for vm in documents.talking_vms(disabled)] == ["vm-b"]


def test_hashes_differ_by_zone_and_not_by_generation() -> None:
    balancer = lb(backend("up", "a", UP))
    assert documents.hashes(balancer) == documents.hashes(replace(balancer, generation=9))
    assert len(set(documents.hashes(balancer).values())) == 2
