"""Hostile parameters: every action answers or refuses, none breaks, and nothing is answered that is no XML."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import hypothesis
import hypothesis.strategies as st
import prometheus_client
import pytest
from tests.unit.api import wire

from elbflow import clock as clocks
from elbflow import service, store, swf, tasks
from elbflow.contract import document, names
from elbflow_api import dependencies, dispatch, metrics, query, settings, waiting
from elbflow_api.actions import ACTIONS
from elbflow_api.cloud import local
from elbflow_engine import testing

KEY = document.LoadBalancerKey("123456789012", "web")
CALLER = service.Identity(KEY.account, "AKIA", admin=False)


def _paths(shape: Any, prefix: str) -> Iterator[str]:
    """Every parameter name that a shape makes, lists with two items."""
    for name, member in shape.members.items():
        yield from _member_paths(member.shape, f"{prefix}{name}")


def _member_paths(shape: Any, path: str) -> Iterator[str]:
    yield path
    if hasattr(shape, "members"):
        yield from _paths(shape, f"{path}.")
    elif hasattr(shape, "item_name"):
        for number in (1, 2):
            yield from _member_paths(shape.item, f"{path}.{shape.item_name}.{number}")


PATHS = {name: sorted(set(_paths(operation.input, ""))) for name, operation in query.operations().items()}
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", "0", "-1", "1", "5", "22", "80", "65535", "65536", "9" * 18, "1e9", "true", "FALSE", "null", "None"),
            *("web", "WEB", "none", "x" * 33, "-", "local-1a", "mars", "internal", "HTTP", "tcp", "SSL", "HTTPS"),
            *("HTTP:80/", "TCP:80", "HTTP:80/\r\nX: y", "TCP:99999999999999999999", "10.0.0.1", "::1", "i-0123abcd"),
            *(
                "'; DROP TABLE load_balancers; --",
                "%s%n",
                "\x00",
                "\ud7ff\ue000",
                "\u202e",
                "<&>",
                "sticky",
                "a" * 5_000,
            ),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.integers().map(str),
)


LISTENER = {"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 8000}
CHECK = {"Target": "TCP:80", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}
MEANT: dict[str, dict[str, Any]] = {
    "AddTags": {"LoadBalancerNames": ["web"], "Tags": [{"Key": "k", "Value": "v"}]},
    "ApplySecurityGroupsToLoadBalancer": {"SecurityGroups": ["sg-1"]},
    "AttachLoadBalancerToSubnets": {"Subnets": ["subnet-a"]},
    "CreateAppCookieStickinessPolicy": {"PolicyName": "p", "CookieName": "c"},
    "CreateLoadBalancerPolicy": {"PolicyName": "p", "PolicyTypeName": "ProxyProtocolPolicyType"},
    "DeleteLoadBalancerPolicy": {"PolicyName": "p"},
    "DetachLoadBalancerFromSubnets": {"Subnets": ["subnet-a"]},
    "RemoveTags": {"LoadBalancerNames": ["web"], "Tags": [{"Key": "k"}]},
    "SetLoadBalancerListenerSSLCertificate": {"LoadBalancerPort": 80, "SSLCertificateId": "arn"},
    "SetLoadBalancerPoliciesForBackendServer": {"InstancePort": 80, "PolicyNames": ["sticky"]},
    "ConfigureHealthCheck": {"HealthCheck": CHECK},
    "CreateLBCookieStickinessPolicy": {"PolicyName": "p", "CookieExpirationPeriod": 1},
    "CreateLoadBalancer": {"Listeners": [LISTENER], "AvailabilityZones": ["local-1a"]},
    "CreateLoadBalancerListeners": {"Listeners": [LISTENER]},
    "DeleteLoadBalancer": {"LoadBalancerName": "other"},
    "DeleteLoadBalancerListeners": {"LoadBalancerPorts": [9]},
    "DeregisterInstancesFromLoadBalancer": {"Instances": [{"InstanceId": "10.0.0.1"}]},
    "DescribeTags": {"LoadBalancerNames": ["web"]},
    "DisableAvailabilityZonesForLoadBalancer": {"AvailabilityZones": ["local-1b"]},
    "EnableAvailabilityZonesForLoadBalancer": {"AvailabilityZones": ["local-1c"]},
    "ModifyLoadBalancerAttributes": {"LoadBalancerAttributes": {"ConnectionDraining": {"Enabled": True}}},
    "RegisterInstancesWithLoadBalancer": {"Instances": [{"InstanceId": "10.0.0.1"}]},
    "SetLoadBalancerPoliciesOfListener": {"LoadBalancerPort": 80, "PolicyNames": ["sticky"]},
}
"""A sensible request for each action; what is hostile comes before it and so counts."""


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    name = draw(st.sampled_from(sorted(ACTIONS)))
    paths = st.one_of(st.sampled_from(PATHS[name]), st.text(".abN1member", max_size=12))
    pairs = draw(st.lists(st.tuples(paths, VALUES), max_size=4))
    if draw(st.integers(0, 3)):
        meant = {"LoadBalancerName": "web"} if "LoadBalancerName" in PATHS[name] else {}
        pairs += parse_qsl(wire.sent(name, meant | MEANT.get(name, {})).decode(), keep_blank_values=True)
    return name, pairs


@dataclass
class Room:
    runner: asyncio.Runner
    dependencies: dependencies.Dependencies

    def answer(self, name: str, pairs: list[tuple[str, str]]) -> bytes:
        operation = query.find_operation(name)
        assert operation is not None
        read = query.read_pairs(urlencode(pairs).encode())
        try:
            given = self.runner.run(dispatch.answer(operation, read, CALLER, self.dependencies))
        except query.Fault as fault:
            if fault.status not in (400, 409, 503):
                raise
            hypothesis.event(fault.code)
            return query.render_fault(fault, "id")
        hypothesis.event("OK")
        return query.render_result(operation, given, "id")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Room]:
    url = f"sqlite+aiosqlite:///{path}"
    given = settings.ApiSettings(store_url=url, workflow_wait_s=0.02)
    with asyncio.Runner() as runner:
        runner.run(store.migrate(url))
        stack = contextlib.AsyncExitStack()

        async def begin() -> dependencies.Dependencies:
            clock = clocks.SystemClock()
            workflow_service = await stack.enter_async_context(
                testing.SwfDouble(clock, random.Random(1), retries=swf.RetryPlan(attempts=1))
            )
            await workflow_service.register_domain(names.DOMAIN, retention_days=1)
            db = await stack.enter_async_context(store.Store(url))
            background = await stack.enter_async_context(tasks.supervised())
            async with db.transaction() as tx:
                await tx.load_balancers.create(_load_balancer())
            workflows = waiting.Workflows(
                service=workflow_service,
                domain=names.DOMAIN,
                task_list=names.TASK_LIST,
                db=db,
                clock=clock,
                background=background,
                meters=metrics.Meters(prometheus_client.CollectorRegistry()),
                stopping=asyncio.Event(),
            )
            return dependencies.Dependencies(db, workflows, given, clock, local.LocalCloud.of(db, given))

        try:
            yield Room(runner, runner.run(begin()))
        finally:
            runner.run(stack.aclose())


def _load_balancer() -> store.LoadBalancer:
    return store.LoadBalancer(
        id=0,
        key=KEY,
        dns_name="web",
        scheme="internet-facing",
        state=store.LoadBalancerState.ACTIVE,
        generation=1,
        created_at=1.0,
        listeners=(document.Listener(document.Protocol.HTTP, 80, document.Protocol.HTTP, 80),),
        policies=(document.Policy("sticky", "LBCookieStickinessPolicyType"),),
        zones=(store.Zone("local-1a", store.ZoneState.IN_SERVICE), store.Zone("local-1b", store.ZoneState.IN_SERVICE)),
    )


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with _open(tmp_path_factory.mktemp("hostile") / "store.sqlite") as opened:
        yield opened


@hypothesis.given(call=calls())
def test_no_parameters_break_an_action(room: Room, call: tuple[str, list[tuple[str, str]]]) -> None:
    assert room.answer(*call).startswith(b"<?xml")


@hypothesis.given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    pairs = query.read_pairs(body, b"&Action=" + body)
    operation = query.find_operation("CreateLoadBalancer")
    assert operation is not None
    with pytest.raises(query.Fault) as caught:
        query.parse(operation, pairs)
    assert caught.value.code == "ValidationError"
