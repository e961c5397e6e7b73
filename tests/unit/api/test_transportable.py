"""What users may configure is what reaches the VMs."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import orjson
import pytest
from tests.unit.api.conftest import KEY, Desk
from tests.unit.contract.test_transport import largest

from elbflow import store
from elbflow.contract import document, transport
from elbflow_api import dependencies, mutation, query, settings
from elbflow_api.cloud import local
from elbflow_api.rules import instances, transportable


def load_balancer(told: document.LoadBalancerDocument) -> store.LoadBalancer:
    """The load balancer of which VMs are told this."""
    return store.LoadBalancer(
        id=1,
        key=told.key,
        dns_name="web.lb",
        scheme="internet-facing",
        state=store.LoadBalancerState.ACTIVE,
        generation=told.generation,
        created_at=0.0,
        listeners=told.listeners,
        policies=told.policies,
        backend_policies=told.backend_policies,
        attributes=told.attributes,
        health_check=told.health_check,
        zones=(store.Zone(told.zone, store.ZoneState.IN_SERVICE),),
        backends=tuple(
            store.Backend(
                one.instance_id, one.address, None, store.BackendState.OUT_OF_SERVICE, "ELB", "", registered_at=0.0
            )
            for one in told.backends
        ),
    )


@pytest.mark.parametrize("public_keys", [0, 20, 50, 99])
def test_the_largest_load_balancer_is_permitted(public_keys: int) -> None:
    lb = load_balancer(largest(random.Random(1), public_keys=public_keys))
    assert not transportable.is_sure(lb)
    transportable.require(lb)


def test_a_usual_load_balancer_needs_no_look() -> None:
    wanted = largest(random.Random(1), public_keys=0)
    usual = replace(wanted, policies=(), backend_policies=(), listeners=wanted.listeners[:5])
    assert transportable.is_sure(load_balancer(usual))


def test_what_is_sure_can_grow_by_any_one_change() -> None:
    """All instances, all listeners with certificates, or all policies of a port come at once; nothing compresses."""
    wanted = largest(random.Random(1), public_keys=0)
    for before in (
        replace(wanted, backends=()),
        replace(wanted, listeners=()),
        replace(wanted, backend_policies=wanted.backend_policies[1:]),
    ):
        grown = size(wanted) - size(before)
        assert grown > 10_000
        assert (transportable.SURE + grown) * 1.25 < transport.MOST_PART * transport.MOST_PARTS


def size(told: document.LoadBalancerDocument) -> int:
    return len(orjson.dumps(told))


def test_what_cannot_reach_the_vms_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lb = load_balancer(largest(random.Random(1), public_keys=20))
    monkeypatch.setattr(transport, "MOST_PARTS", 2)
    with pytest.raises(query.Fault, match=r"configuration of [0-9]+ bytes") as caught:
        transportable.require(lb)
    assert (caught.value.code, caught.value.status) == ("InvalidConfigurationRequest", 409)


def test_policies_that_are_not_in_use_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lb = replace(load_balancer(largest(random.Random(1), public_keys=20)), backend_policies=(), backends=())
    monkeypatch.setattr(transport, "MOST_PARTS", 4)
    transportable.require(lb)
    with pytest.raises(transport.TooLarge):
        transport.split(replace(largest(random.Random(1), public_keys=20), backends=()))


def test_all_instances_must_fit_into_one_health_report() -> None:
    instances.require_reportable("i-" + "x" * 23 for _ in range(1000))
    with pytest.raises(query.Fault, match="25000 characters") as caught:
        instances.require_reportable("i-" + "x" * 24 for _ in range(1000))
    assert caught.value.code == "InvalidConfigurationRequest"


async def test_other_requests_go_on_while_a_large_load_balancer_is_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a tenth of a second of CPU time: not on the loop."""
    chosen = settings.ApiSettings(store_url="sqlite://")
    room = dependencies.Dependencies(desk.db, desk.workflows, chosen, desk.clock, local.LocalCloud.of(desk.db, chosen))
    looking: list[threading.Thread] = []
    monkeypatch.setattr(transportable, "SURE", 0)
    monkeypatch.setattr(transport, "require_transportable", lambda _: looking.append(threading.current_thread()))
    async with desk.db.transaction() as tx:
        lb = await tx.load_balancers.create(load_balancer(document.LoadBalancerDocument(KEY, 1, "local-1a")))
        await mutation.order_push(tx, lb, room)
    assert len(looking) == 1
    assert threading.main_thread() not in looking
