"""``elbflow lb``: load balancers as the control plane sees them."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import commands, credentials, stack_file


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser("lb", help="load balancers: where they answer, desired and applied state")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="one load balancer")
    show.add_argument("name")
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="all load balancers")
    listing.set_defaults(run=run_list)
    for action in (show, listing):
        action.add_argument("--json", action="store_true", help="for programs")
        commands.add_data_dir(action)


def run_show(arguments: argparse.Namespace) -> int:
    lb = asyncio.run(_get(_url(arguments), arguments.name))
    if arguments.json:
        print(json.dumps(describe(lb), indent=2))
    else:
        print(_page(lb))
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    found = asyncio.run(_all(_url(arguments)))
    if arguments.json:
        print(json.dumps([describe(lb) for lb in found], indent=2))
    else:
        for lb in found:
            print(
                f"{lb.key.name:<34}{lb.state:<14}{lb.generation}/{lb.applied_generation:<8}{len(lb.backends)} instances"
            )
    return 0


def addresses(lb: store.LoadBalancer) -> list[dict[str, object]]:
    """Where each listener answers, one entry per VM and listener; a listener its VM cannot serve is left out."""
    return [
        {"address": vm.address, "port": listener.port, "protocol": listener.protocol.value, "zone": vm.zone}
        for vm in lb.vms
        if vm.state is store.VmState.IN_SERVICE and vm.zone in lb.enabled_zones
        for listener in lb.listeners
        if vm.applied_generation and listener.port not in {problem.port for problem in vm.problems}
    ]


def describe(lb: store.LoadBalancer) -> dict[str, object]:
    """The load balancer as JSON."""
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
                "problems": [{"port": problem.port, "reason": problem.reason} for problem in vm.problems],
            }
            for vm in lb.vms
        ],
    }


def _page(lb: store.LoadBalancer) -> str:
    lines = [
        f"{lb.key.name} ({lb.state}) in account {lb.key.account}",
        f"  serves generation {lb.applied_generation} of {lb.generation}",
        *(f"  listens on {one['protocol']} {one['address']}:{one['port']} ({one['zone']})" for one in addresses(lb)),
        *(f"  instance {one.instance_id} at {one.address}: {one.state} {one.description}" for one in lb.backends),
        *(f"  problem on {vm.instance_id}, port {p.port}: {p.reason}" for vm in lb.vms for p in vm.problems),
    ]
    return "\n".join(lines)


async def _get(url: str, name: str) -> store.LoadBalancer:
    async with store.Store(url) as db, db.reading() as tx:
        return await tx.load_balancers.get(document.LoadBalancerKey(credentials.ACCOUNT, name))


async def _all(url: str) -> Sequence[store.LoadBalancer]:
    async with store.Store(url) as db, db.reading() as tx:
        return await tx.load_balancers.of_account(credentials.ACCOUNT)


def _url(arguments: argparse.Namespace) -> str:
    return stack_file.load_layout(arguments.data_dir).store_url
