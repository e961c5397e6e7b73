"""Any request over HTTP is answered or refused: nothing breaks the service, and every answer is one botocore reads."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import hypothesis
import hypothesis.strategies as st
import pytest
from tests.property.api import playground, requests
from tests.unit.api import wire

from elbflow_api import query

REFUSALS = {400, 403, 404, 409, 413}
SETTING: list[tuple[str, dict[str, Any]]] = [
    ("CreateLoadBalancer", {"LoadBalancerName": "web", "AvailabilityZones": ["local-1a", "local-1b"]}),
    (
        "CreateLoadBalancer",
        {"LoadBalancerName": "inside", "Subnets": ["subnet-0000000a", "subnet-0000000b"], "Scheme": "internal"},
    ),
    ("CreateLBCookieStickinessPolicy", {"LoadBalancerName": "web", "PolicyName": "sticky"}),
    ("RegisterInstancesWithLoadBalancer", {"LoadBalancerName": "web", "Instances": [{"InstanceId": "10.0.0.1"}]}),
]
LISTENERS = [
    {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000},
    {"Protocol": "TCP", "LoadBalancerPort": 81, "InstancePort": 8001},
]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[playground.Playground]:
    with playground.opened(tmp_path_factory.mktemp("requests")) as opened:
        for operation, given in SETTING:
            more = {"Listeners": LISTENERS} if operation == "CreateLoadBalancer" else {}
            status, body = opened.send(wire.sent(operation, given | more))
            assert status == 200, body
        yield opened


def check(ground: playground.Playground, name: str, body: bytes) -> dict[str, Any]:
    """Send the request; its answer as botocore reads it, which is no failure of the service."""
    status, answer = ground.send(body)
    assert status == 200 or status in REFUSALS, (status, answer)
    read = wire.received(name, answer, status)
    assert read["ResponseMetadata"]["RequestId"]
    if status == 200:
        assert "Error" not in read
        hypothesis.event("OK")
        return read
    assert read["Error"]["Code"] not in ("InternalFailure", "ServiceUnavailable"), answer
    assert read["Error"]["Type"] == "Sender"
    hypothesis.event(read["Error"]["Code"])
    return read


@hypothesis.given(requests.sensible())
def test_sensible_requests(ground: playground.Playground, request: tuple[str, bytes]) -> None:
    name, body = request
    read = check(ground, name, body)
    if "Error" not in read:
        read.pop("ResponseMetadata")
        model = wire.MODEL.operation_model(name).output_shape
        assert read.keys() <= model.members.keys()


@hypothesis.given(requests.hostile())
def test_hostile_requests(ground: playground.Playground, request: tuple[str, bytes]) -> None:
    check(ground, *request)


@hypothesis.given(requests.sensible(), st.randoms(use_true_random=False), st.integers(1, 40))
def test_members_may_have_gaps_and_any_order(request: tuple[str, bytes], random: Random, step: int) -> None:
    """``member.7`` before ``member.2`` means what two members in numeric order mean."""
    name, body = request
    operation = query.find_operation(name)
    assert operation is not None
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    spread = [(_spread(key, step), value) for key, value in pairs]
    random.shuffle(spread)
    assert _read(operation, spread) == _read(operation, pairs)


def _spread(name: str, step: int) -> str:
    parts = name.split(".")
    return ".".join(str(int(part) * step) if part.isdigit() else part for part in parts)


def _read(operation: query.Operation, pairs: list[tuple[str, str]]) -> object:
    try:
        return query.parse(operation, pairs)._values
    except query.Fault as fault:
        return fault.code


@hypothesis.given(st.binary(max_size=400))
def test_any_bytes(ground: playground.Playground, body: bytes) -> None:
    status, answer = ground.send(body)
    assert status in REFUSALS
    read = wire.received("DescribeLoadBalancers", answer, status)
    assert read["Error"]["Code"] in ("MissingAction", "InvalidAction", "MalformedQueryString")
