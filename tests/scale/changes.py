"""Push-to-proof: from the sending of a change to the proof that every VM of the load balancer serves it.

Changes come at a fixed rate, whatever the answers do, over all load balancers in turn. A proof is believed only after
a real request through each VM was answered by a back end.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aiohttp
from tests.scale.books import Books
from tests.scale.fleet import PORT, Fleet, NotReached, health_check

from elbflow_standalone import aws

PROOF_S = 60.0
NEW_PORT = 9090
_LOOK_S = 0.005
_OK = 200


@dataclass(frozen=True)
class Change:
    """A kind of change, the port through which it shows, and the call."""

    kind: str
    port: int
    send: Callable[[aws.Client, str], object]


@dataclass(frozen=True)
class Proof:
    """One change. ``answered_s``: until the API answered; ``proven_s``: until all VMs had proven to serve it."""

    kind: str
    answered_s: float
    proven_s: float
    serves: bool


def kinds(spare: str, interval_s: int) -> tuple[tuple[Change, Change], ...]:
    """What is done to load balancers and what takes it back; ``spare`` is a back end that none has at first."""
    instances = [{"InstanceId": spare}]
    listener = {"Protocol": "HTTP", "LoadBalancerPort": NEW_PORT, "InstanceProtocol": "HTTP", "InstancePort": 8000}

    def check(seconds: int) -> Change:
        checked = health_check(seconds)
        return Change(
            "health check",
            PORT,
            lambda elb, name: elb.configure_health_check(LoadBalancerName=name, HealthCheck=checked),
        )

    register = Change(
        "register instance",
        PORT,
        lambda elb, name: elb.register_instances_with_load_balancer(LoadBalancerName=name, Instances=instances),
    )
    deregister = Change(
        "deregister instance",
        PORT,
        lambda elb, name: elb.deregister_instances_from_load_balancer(LoadBalancerName=name, Instances=instances),
    )
    create = Change(
        "create listener",
        NEW_PORT,
        lambda elb, name: elb.create_load_balancer_listeners(LoadBalancerName=name, Listeners=[listener]),
    )
    delete = Change(
        "delete listener",
        PORT,
        lambda elb, name: elb.delete_load_balancer_listeners(LoadBalancerName=name, LoadBalancerPorts=[NEW_PORT]),
    )
    return (register, deregister), (check(interval_s + 1), check(interval_s)), (create, delete)


async def at_rate(fleet: Fleet, spare: str, *, count: int, rate: float) -> list[Proof]:
    """Make ``count`` changes, ``rate`` a second; raises :class:`NotReached` when one is not proven in a minute."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http, asyncio.TaskGroup() as group:
            for number, (name, change) in enumerate(plan(fleet.names, kinds(spare, fleet.interval_s), count)):
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                tasks.append(group.create_task(_one(fleet, name, change, http)))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def plan(names: list[str], pairs: tuple[tuple[Change, Change], ...], count: int) -> Iterator[tuple[str, Change]]:
    """The same mix for every size: all kinds equally often, one beside the other, and as many taken back as done.

    Load balancers that get changes lie evenly among all, each as late again as possible.
    """
    chosen = max(1, min(len(names), count // (2 * len(pairs))))
    picked = [names[number * len(names) // chosen] for number in range(chosen)]
    made = 0
    for turn in itertools.count():
        for place, name in enumerate(picked):
            if made == count:
                return
            made += 1
            yield name, pairs[(place + turn // 2) % len(pairs)][turn % 2]


async def _one(fleet: Fleet, name: str, change: Change, http: aiohttp.ClientSession) -> Proof:
    began = time.monotonic()
    await asyncio.to_thread(change.send, fleet.elb, name)
    answered_s = time.monotonic() - began
    await _proven(fleet.books, name, len(fleet.zones))
    proven_s = time.monotonic() - began
    serves = all([await _serves(http, address, change.port) for address in fleet.books.addresses(name)])
    return Proof(change.kind, answered_s, proven_s, serves)


async def _proven(books: Books, name: str, vms: int) -> None:
    desired = books.desired(name)
    deadline = time.monotonic() + PROOF_S
    while books.proven(name, vms) < desired:
        if time.monotonic() > deadline:
            raise NotReached(f"{name} does not serve generation {desired} after {PROOF_S:.0f} s")
        await asyncio.sleep(_LOOK_S)


async def _serves(http: aiohttp.ClientSession, address: str, port: int) -> bool:
    try:
        async with http.get(f"http://{address}:{port}/") as answer:
            return answer.status == _OK
    except (aiohttp.ClientError, TimeoutError):
        return False
