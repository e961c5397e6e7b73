"""What the Classic ELB API's calls take on a full store, beside moto's server with the same load balancers.

python -m tests.bench.api_calls

1,000 load balancers of 20 instances on SQLite, requests signed and checked, one client that waits for every answer.
``elbflow-api`` and ``elbflow-engine`` run as they are installed; no decider runs, so a change costs what it costs the
API: reading, checking, writing with its order, and telling the engine. moto keeps everything in memory, checks no
signature and realises nothing. Both take turns; CPU is the server process alone.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import api_client, api_store, engine_peers, polling_report
from tests.bench import engine_figures as figures

OURS, MOTO = "elbflow-api", "moto"
PAGE = 400


@dataclass(frozen=True)
class Sizes:
    load_balancers: int
    instances: int
    rounds: int
    pages: int
    calls: int


FULL = Sizes(load_balancers=1000, instances=20, rounds=5, pages=4, calls=40)
QUICK = Sizes(load_balancers=30, instances=20, rounds=1, pages=1, calls=4)


@dataclass(frozen=True)
class Kind:
    """One sort of call; ``parameters`` of the n-th call. ``most_ms`` is what its median must not exceed."""

    name: str
    action: str
    parameters: Callable[[int], Mapping[str, str]]
    most_ms: float | None = None


@dataclass
class Costs:
    """Seconds until the answers, and seconds of CPU per call in each round."""

    waits: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def kinds(sizes: Sizes) -> Sequence[Kind]:
    def one(number: int) -> str:
        return api_store.name_of(1 + number * 37 % sizes.load_balancers)

    def instance(number: int) -> str:
        return f"10.250.{number // 250 % 250}.{1 + number % 250}"

    def named(number: int) -> Mapping[str, str]:
        return {"LoadBalancerNames.member.1": one(number)}

    def tagged(number: int) -> Mapping[str, str]:
        return {f"LoadBalancerNames.member.{place}": one(number + place) for place in range(1, 21)}

    def registration(number: int) -> Mapping[str, str]:
        return {"LoadBalancerName": one(number), "Instances.member.1.InstanceId": instance(number)}

    def health_check(number: int) -> Mapping[str, str]:
        check = {"Target": f"TCP:{1000 + number}", "Interval": "30", "Timeout": "5"}
        check |= {"UnhealthyThreshold": "2", "HealthyThreshold": "2"}
        return {"LoadBalancerName": one(number)} | {f"HealthCheck.{key}": value for key, value in check.items()}

    def policy(number: int) -> Mapping[str, str]:
        return {"LoadBalancerName": one(number), "PolicyName": f"p-{number}", "CookieExpirationPeriod": "60"}

    def tag(number: int) -> Mapping[str, str]:
        return {"LoadBalancerNames.member.1": one(number), "Tags.member.1.Key": "n", "Tags.member.1.Value": str(number)}

    return (
        Kind(f"DescribeLoadBalancers, page of {PAGE}", "DescribeLoadBalancers", lambda _: {"PageSize": str(PAGE)}, 150),
        Kind("DescribeLoadBalancers, one by name", "DescribeLoadBalancers", named),
        Kind("DescribeInstanceHealth", "DescribeInstanceHealth", lambda n: {"LoadBalancerName": one(n)}, 15),
        Kind("DescribeTags, 20 by name", "DescribeTags", tagged),
        Kind("RegisterInstancesWithLoadBalancer", "RegisterInstancesWithLoadBalancer", registration, 25),
        Kind("DeregisterInstancesFromLoadBalancer", "DeregisterInstancesFromLoadBalancer", registration, 25),
        Kind("ConfigureHealthCheck", "ConfigureHealthCheck", health_check, 25),
        Kind("CreateLBCookieStickinessPolicy", "CreateLBCookieStickinessPolicy", policy, 25),
        Kind("AddTags", "AddTags", tag, 25),
    )


def program(run: polling_report.Run) -> Sequence[figures.Figure]:
    sizes = QUICK if run.quick else FULL
    if not run.quick:
        engine_peers.pin()
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    try:
        url = asyncio.run(
            api_store.make(directory / "store.sqlite", load_balancers=sizes.load_balancers, instances=sizes.instances)
        )
        with engine_peers.engine() as engine, engine_peers.api(url, engine.url) as ours, engine_peers.moto() as moto:
            costs = asyncio.run(_measured({OURS: ours, MOTO: moto}, sizes))
    finally:
        shutil.rmtree(directory)
    for number, kind in enumerate(kinds(sizes)):
        for server in (OURS, MOTO):
            run.point(
                "api-calls", f"{server}: {kind.name}", number, 1e3 * figures.median(costs[server, kind.name].waits)
            )
    return [_figure(kind, costs) for kind in kinds(sizes)]


async def _measured(peers: Mapping[str, engine_peers.Peer], sizes: Sizes) -> dict[tuple[str, str], Costs]:
    clients = {name: api_client.Client(peer.url) for name, peer in peers.items()}
    await _furnish(clients[MOTO], sizes)
    costs: dict[tuple[str, str], Costs] = defaultdict(Costs)
    numbers = {kind.name: itertools.count() for kind in kinds(sizes)}
    for turn in range(sizes.rounds + 1):
        for kind in kinds(sizes):
            count = sizes.pages if "page of" in kind.name else sizes.calls
            chosen = list(itertools.islice(numbers[kind.name], count))
            for name, client in clients.items():
                requests = [client.request(kind.action, kind.parameters(number)) for number in chosen]
                before = peers[name].whole_cpu_s()
                waits = [await client.send(request) for request in requests]
                if turn:  # the first round warms up
                    costs[name, kind.name].waits += waits
                    costs[name, kind.name].cpu.append((peers[name].whole_cpu_s() - before) / count)
    return costs


async def _furnish(moto: api_client.Client, sizes: Sizes) -> None:
    """Give moto the load balancers that the store has."""
    for number in range(1, sizes.load_balancers + 1):
        name = api_store.name_of(number)
        await moto.send(moto.request("CreateLoadBalancer", {"LoadBalancerName": name} | dict(_creation())))
        instances = enumerate(api_store.instance_ids(number, sizes.instances), 1)
        registered = {f"Instances.member.{place}.InstanceId": instance for place, instance in instances}
        await moto.send(moto.request("RegisterInstancesWithLoadBalancer", {"LoadBalancerName": name} | registered))
        await moto.send(
            moto.request(
                "CreateLBCookieStickinessPolicy",
                {"LoadBalancerName": name, "PolicyName": "sticky", "CookieExpirationPeriod": "600"},
            )
        )


def _creation() -> Iterator[tuple[str, str]]:
    yield "AvailabilityZones.member.1", "us-east-1a"
    yield "AvailabilityZones.member.2", "us-east-1b"
    yield "Tags.member.1.Key", "team"
    yield "Tags.member.1.Value", "blue"
    for place, (protocol, port) in enumerate((("HTTP", 80), ("TCP", 25)), 1):
        yield f"Listeners.member.{place}.Protocol", protocol
        yield f"Listeners.member.{place}.LoadBalancerPort", str(port)
        yield f"Listeners.member.{place}.InstancePort", str(port + 8000)


def _figure(kind: Kind, costs: Mapping[tuple[str, str], Costs]) -> figures.Figure:
    ours, moto = costs[OURS, kind.name], costs[MOTO, kind.name]
    p50 = 1e3 * figures.median(ours.waits)
    must = "" if kind.most_ms is None else f"p50 ≤ {kind.most_ms:g} ms"
    seen = (
        f"p50 {p50:.1f} ms, p99 {figures.ms(figures.quantile(ours.waits, 0.99))}, "
        f"CPU {figures.ms(figures.median(ours.cpu))}; "
        f"moto p50 {figures.ms(figures.median(moto.waits))}, CPU {figures.ms(figures.median(moto.cpu))}"
    )
    return figures.Figure(kind.name, must, seen, None if kind.most_ms is None else p50 <= kind.most_ms)


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, program))
