"""Every operation asks the store a number of questions that does not grow with what is in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.bench import api_store

from elbflow import clock as clocks
from elbflow import service, store
from elbflow.contract import document, workflows
from elbflow_api import dispatch, query, settings, waiting
from elbflow_api.actions import ACTIONS
from elbflow_api.cloud import local
from elbflow_api.dependencies import Dependencies

CALLER = service.Identity(api_store.ACCOUNT, api_store.KEY.access_key_id, admin=False)
CERTIFICATE = f"arn:aws:iam::{api_store.ACCOUNT}:server-certificate/site"
PLAIN, IN_VPC = api_store.name_of(1), "in-vpc"
DONE = workflows.Outcome(workflows.OutcomeState.SUCCESS)

_LISTENER = {"Listeners.member.1.Protocol": "TCP", "Listeners.member.1.InstancePort": "7"}
_HEALTH_CHECK = {
    "Target": "TCP:9",
    "Interval": "30",
    "Timeout": "5",
    "UnhealthyThreshold": "2",
    "HealthyThreshold": "2",
}
_BOTH = {"LoadBalancerNames.member.1": PLAIN, "LoadBalancerNames.member.2": api_store.name_of(2)}
_ATTRIBUTES = {"LoadBalancerAttributes.ConnectionSettings.IdleTimeout": "77"}

REQUESTS: dict[str, dict[str, str]] = {
    "AddTags": {"LoadBalancerNames.member.1": PLAIN, "Tags.member.1.Key": "a", "Tags.member.2.Key": "b"},
    "ApplySecurityGroupsToLoadBalancer": {"LoadBalancerName": IN_VPC, "SecurityGroups.member.1": "sg-1"},
    "AttachLoadBalancerToSubnets": {"LoadBalancerName": IN_VPC, "Subnets.member.1": "subnet-b"},
    "ConfigureHealthCheck": {f"HealthCheck.{name}": value for name, value in _HEALTH_CHECK.items()},
    "CreateAppCookieStickinessPolicy": {"PolicyName": "app", "CookieName": "c"},
    "CreateLBCookieStickinessPolicy": {"PolicyName": "lb"},
    "CreateLoadBalancer": {
        "LoadBalancerName": "new",
        "AvailabilityZones.member.1": "local-1a",
        "Listeners.member.1.LoadBalancerPort": "80",
    }
    | _LISTENER,
    "CreateLoadBalancerListeners": {"Listeners.member.1.LoadBalancerPort": "7000"} | _LISTENER,
    "CreateLoadBalancerPolicy": {"PolicyName": "proxy", "PolicyTypeName": "ProxyProtocolPolicyType"}
    | {
        "PolicyAttributes.member.1.AttributeName": "ProxyProtocol",
        "PolicyAttributes.member.1.AttributeValue": "true",
    },
    "DeleteLoadBalancer": {"LoadBalancerName": api_store.name_of(3)},
    "DeleteLoadBalancerListeners": {"LoadBalancerPorts.member.1": "25"},
    "DeleteLoadBalancerPolicy": {"PolicyName": "free"},
    "DeregisterInstancesFromLoadBalancer": {"Instances.member.1.InstanceId": api_store.instance_ids(1, 1)[0]},
    "DescribeAccountLimits": {},
    "DescribeInstanceHealth": {},
    "DescribeLoadBalancerAttributes": {},
    "DescribeLoadBalancerPolicies": {},
    "DescribeLoadBalancerPolicyTypes": {},
    "DescribeLoadBalancers": {},
    "DescribeTags": _BOTH,
    "DetachLoadBalancerFromSubnets": {"LoadBalancerName": IN_VPC, "Subnets.member.1": "subnet-a"},
    "DisableAvailabilityZonesForLoadBalancer": {"AvailabilityZones.member.1": "local-1a"},
    "EnableAvailabilityZonesForLoadBalancer": {"AvailabilityZones.member.1": "local-1c"},
    "ModifyLoadBalancerAttributes": _ATTRIBUTES,
    "RegisterInstancesWithLoadBalancer": {
        "Instances.member.1.InstanceId": "10.200.0.1",
        "Instances.member.2.InstanceId": "10.200.0.2",
    },
    "RemoveTags": {"LoadBalancerNames.member.1": PLAIN, "Tags.member.1.Key": "team"},
    "SetLoadBalancerListenerSSLCertificate": {"LoadBalancerPort": "443", "SSLCertificateId": CERTIFICATE},
    "SetLoadBalancerPoliciesForBackendServer": {"InstancePort": "9025", "PolicyNames.member.1": "proxied"},
    "SetLoadBalancerPoliciesOfListener": {"LoadBalancerPort": "80", "PolicyNames": ""},
}
MOST = 32
"""Statements of one call; a load balancer takes seven to read."""


class NoWaiting:
    """In place of workflows: every one has succeeded at once."""

    def __init__(self, db: store.Store) -> None:
        self._db = db

    async def running(self, *_: object) -> Sequence[object]:
        return ()

    async def announce(self, orders: Sequence[store.OutboxRow]) -> str | None:
        for order in orders:
            async with self._db.transaction() as tx:
                await tx.outbox.remove(order.id)
        return None

    async def outcome(self, *_: object, **__: object) -> workflows.Outcome:
        return DONE


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that any engine executes."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


class Watched(local.LocalCloud):
    """Fails when it is asked while a connection to the store is in use: a slow cloud must hold no transaction."""

    in_use: ClassVar[set[int]] = set()

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            assert not Watched.in_use, f"{name} of the cloud was asked inside a transaction"
        return super().__getattribute__(name)


@pytest.fixture(autouse=True)
def _connections() -> Iterator[None]:
    def taken(_c: object, record: object, _proxy: object) -> None:
        Watched.in_use.add(id(record))

    def given_back(_c: object, record: object) -> None:
        Watched.in_use.discard(id(record))

    event.listen(sa.pool.Pool, "checkout", taken)
    event.listen(sa.pool.Pool, "checkin", given_back)
    yield
    event.remove(sa.pool.Pool, "checkout", taken)
    event.remove(sa.pool.Pool, "checkin", given_back)
    Watched.in_use.clear()


async def _furnished(path: Path, *, load_balancers: int, instances: int) -> str:
    url = await api_store.make(path, load_balancers=load_balancers, instances=instances)
    pem = ("-----BEGIN CERTIFICATE-----", None, b"sealed")
    proxy = document.Policy("proxied", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),))
    https = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8443, f"{CERTIFICATE}-old")
    async with store.Store(url) as db, db.transaction() as tx:
        lb = await tx.load_balancers.get(document.LoadBalancerKey(api_store.ACCOUNT, PLAIN))
        tcp = document.Listener(document.Protocol.TCP, 1025, document.Protocol.TCP, 9025)
        await tx.load_balancers.add_listeners(lb.id, [https, tcp])
        for policy in (proxy, document.Policy("free", "LBCookieStickinessPolicyType")):
            await tx.load_balancers.add_policy(lb.id, policy)
        for name in ("site", "site-old"):
            arn = CERTIFICATE if name == "site" else https.certificate_arn or ""
            await tx.server_certificates.add(
                store.ServerCertificate(api_store.ACCOUNT, name, "/", name, arn, *pem, time.time(), time.time() + 9e6)
            )
        zones = tuple(store.Zone(f"local-1{zone}", store.ZoneState.IN_SERVICE, f"subnet-{zone}") for zone in ("a", "c"))
        key = document.LoadBalancerKey(api_store.ACCOUNT, IN_VPC)
        await tx.load_balancers.create(
            store.LoadBalancer(
                *(0, key, "in-vpc.lb", "internal", store.LoadBalancerState.ACTIVE, 1, 1.7e9),
                listeners=(document.Listener(document.Protocol.TCP, 80, document.Protocol.TCP, 80),),
                zones=zones,
                vpc_id="vpc-1",
                security_groups=(document.SecurityGroup("sg-0", "default"),),
            )
        )
    return url


async def _statements(url: str) -> dict[str, int]:
    """How many statements each operation executes on this store."""
    vpc: Any = {
        "vpc_id": "vpc-1",
        "subnets": {f"subnet-{zone}": f"local-1{zone}" for zone in ("a", "b", "c")},
        "security_groups": {"sg-0": "default", "sg-1": "web"},
    }
    chosen = settings.ApiSettings(store_url=url, vpc=vpc)
    async with store.Store(url) as db:
        waits = cast("waiting.Workflows", NoWaiting(db))
        room = Dependencies(db, waits, chosen, clocks.SystemClock(), Watched.of(db, chosen))
        counts = {}
        for name, given in REQUESTS.items():
            operation = query.operations()[name]
            needs_name = "LoadBalancerName" in operation.input.members
            pairs = ({"LoadBalancerName": PLAIN} if needs_name else {}) | given
            with counted() as seen:
                await dispatch.answer(operation, list(pairs.items()), CALLER, room)
            counts[name] = len(seen)
    return counts


def test_the_requests_are_those_of_all_operations() -> None:
    assert set(REQUESTS) == set(ACTIONS)


async def test_no_operation_asks_more_of_a_larger_store(tmp_path: Path) -> None:
    small = await _statements(await _furnished(tmp_path / "small.sqlite", load_balancers=3, instances=1))
    large = await _statements(await _furnished(tmp_path / "large.sqlite", load_balancers=40, instances=20))
    assert large == small
    assert max(large.values()) <= MOST, large
    assert {name for name, count in large.items() if count == 0} <= {"DescribeLoadBalancerPolicyTypes"}


@pytest.mark.parametrize("name", ["AddTags", "RegisterInstancesWithLoadBalancer", "DescribeTags"])
async def test_nor_when_more_is_named(name: str, tmp_path: Path) -> None:
    counts = []
    for number, count in enumerate((1, 10)):
        url = await _furnished(tmp_path / f"{number}.sqlite", load_balancers=12, instances=2)
        given: dict[str, str] = {}
        for item in range(1, count + 1):
            given |= {
                "AddTags": {"LoadBalancerNames.member.1": PLAIN, f"Tags.member.{item}.Key": f"k{item}"},
                "RegisterInstancesWithLoadBalancer": {
                    "LoadBalancerName": PLAIN,
                    f"Instances.member.{item}.InstanceId": f"10.200.0.{item}",
                },
                "DescribeTags": {f"LoadBalancerNames.member.{item}": api_store.name_of(item)},
            }[name]
        chosen = settings.ApiSettings(store_url=url)
        async with store.Store(url) as db:
            waits = cast("waiting.Workflows", NoWaiting(db))
            room = Dependencies(db, waits, chosen, clocks.SystemClock(), Watched.of(db, chosen))
            with counted() as seen:
                await dispatch.answer(query.operations()[name], list(given.items()), CALLER, room)
        counts.append(len(seen))
    assert counts[0] == counts[1]
