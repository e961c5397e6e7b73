"""Load balancers of the local stack: as the ELB API shows them, and what the stack itself knows beyond that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from elbflow import errors, store
from elbflow.contract import document
from elbflow_standalone import aws, credentials, layout


class NoSuchLoadBalancer(errors.Permanent):
    """The account has no load balancer of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no load balancer {name!r}; see: elbflow lb ls")


@dataclass(frozen=True, slots=True)
class Shown:
    """One load balancer. What the API tells is empty while it is being created or deleted: then users do not see it."""

    state: store.LoadBalancer
    description: aws.Answer = field(default_factory=dict)
    attributes: aws.Answer = field(default_factory=dict)
    tags: Sequence[aws.Answer] = ()


def all_of(elb: aws.Client) -> list[aws.Answer]:
    """All load balancers of the account as the API describes them."""
    pages = elb.get_paginator("describe_load_balancers").paginate()
    return [description for page in pages for description in page["LoadBalancerDescriptions"]]


def described(elb: aws.Client, name: str) -> aws.Answer:
    """One load balancer as the API describes it; raises :class:`NoSuchLoadBalancer`."""
    try:
        answer = elb.describe_load_balancers(LoadBalancerNames=[name])
    except elb.exceptions.AccessPointNotFoundException as error:
        raise NoSuchLoadBalancer(name) from error
    found: aws.Answer = answer["LoadBalancerDescriptions"][0]
    return found


def health(elb: aws.Client, name: str) -> list[aws.Answer]:
    """The states of its instances; raises :class:`NoSuchLoadBalancer`."""
    try:
        answer = elb.describe_instance_health(LoadBalancerName=name)
    except elb.exceptions.AccessPointNotFoundException as error:
        raise NoSuchLoadBalancer(name) from error
    states: list[aws.Answer] = answer["InstanceStates"]
    return states


def show(elb: aws.Client, lb: store.LoadBalancer) -> Shown:
    """``lb`` with what the API says about it."""
    if lb.state is not store.LoadBalancerState.ACTIVE:
        return Shown(lb)
    name = lb.key.name
    attributes = elb.describe_load_balancer_attributes(LoadBalancerName=name)["LoadBalancerAttributes"]
    tags = elb.describe_tags(LoadBalancerNames=[name])["TagDescriptions"][0]["Tags"]
    return Shown(lb, described(elb, name), attributes, tags)


async def stored(where: layout.Layout, name: str) -> store.LoadBalancer:
    """The load balancer in the stack's store; raises :class:`NoSuchLoadBalancer`."""
    async with store.Store(where.store_url) as db:
        await db.require_current_schema()
        async with db.reading() as tx:
            found = await tx.load_balancers.find(document.LoadBalancerKey(credentials.ACCOUNT, name))
    if found is None:
        raise NoSuchLoadBalancer(name)
    return found


def addresses(lb: store.LoadBalancer) -> list[dict[str, object]]:
    """Where each listener answers, one entry per VM and listener; a listener its VM cannot serve is left out."""
    return [
        {"address": vm.address, "port": listener.port, "protocol": listener.protocol.value, "zone": vm.zone}
        for vm in lb.vms
        if vm.state is store.VmState.IN_SERVICE and vm.zone in lb.enabled_zones
        for listener in lb.listeners
        if vm.applied_generation
        and listener.port not in {problem.port for problem in vm.problems if not problem.is_served}
    ]


def as_json(lb: store.LoadBalancer) -> dict[str, object]:
    """What the stack knows of the load balancer, for programs."""
    return {
        "name": lb.key.name,
        "account": lb.key.account,
        "dns_name": lb.dns_name,
        "state": lb.state.value,
        "desired_generation": lb.generation,
        "applied_generation": lb.applied_generation,
        "addresses": addresses(lb),
        "zones": list(lb.enabled_zones),
        "instances": [
            {"instance_id": one.instance_id, "address": one.address, "zone": one.zone, "state": one.state.value}
            for one in lb.backends
        ],
        "vms": [
            {
                "instance_id": vm.instance_id,
                "address": vm.address,
                "zone": vm.zone,
                "state": vm.state.value,
                "applied_generation": vm.applied_generation,
                "problems": [
                    {"port": problem.port, "reason": problem.reason, "served": problem.is_served}
                    for problem in vm.problems
                ],
            }
            for vm in lb.vms
        ],
    }
