"""Answers, read by botocore's own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.unit.api import wire

from elbflow import errors
from elbflow_api import query


def rendered(operation: str, answer: query.Response) -> bytes:
    found = query.find_operation(operation)
    assert found is not None
    return query.render_result(found, answer, "request-1")


def read(operation: str, answer: query.Response) -> dict[str, Any]:
    return wire.received(operation, rendered(operation, answer))


def test_structures_lists_times_and_flags() -> None:
    created = datetime(2024, 2, 29, 12, 30, 1, 250_000, tzinfo=UTC)
    parsed = read(
        "DescribeLoadBalancers",
        {
            "LoadBalancerDescriptions": [
                {
                    "LoadBalancerName": "web",
                    "CreatedTime": created,
                    "Subnets": [],
                    "AvailabilityZones": ["a", "b"],
                    "HealthCheck": {"Target": "HTTP:80/<&>\"'", "Interval": 30},
                }
            ],
            "NextMarker": None,
        },
    )
    assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
    assert parsed["LoadBalancerDescriptions"] == [
        {
            "LoadBalancerName": "web",
            "CreatedTime": created,
            "Subnets": [],
            "AvailabilityZones": ["a", "b"],
            "HealthCheck": {"Target": "HTTP:80/<&>\"'", "Interval": 30},
        }
    ]
    assert "NextMarker" not in parsed
    attributes: query.Response = {"LoadBalancerAttributes": {"CrossZoneLoadBalancing": {"Enabled": False}}}
    assert read("DescribeLoadBalancerAttributes", attributes)["LoadBalancerAttributes"] == {
        "CrossZoneLoadBalancing": {"Enabled": False}
    }


def test_envelope_and_namespace() -> None:
    root = ET.fromstring(rendered("CreateLoadBalancerListeners", {}))
    space = "{http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/}"
    assert root.tag == f"{space}CreateLoadBalancerListenersResponse"
    assert [child.tag for child in root] == [f"{space}CreateLoadBalancerListenersResult", f"{space}ResponseMetadata"]


def test_times_are_utc_with_milliseconds() -> None:
    moment = datetime(2024, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    answer: query.Response = {"LoadBalancerDescriptions": [{"CreatedTime": moment}]}
    assert b"<CreatedTime>2023-12-31T23:00:00.000Z</CreatedTime>" in rendered("DescribeLoadBalancers", answer)


def test_characters_that_xml_cannot_carry_are_replaced_and_carriage_returns_kept() -> None:
    parsed = read("CreateLoadBalancer", {"DNSName": "a\x00b\x1bc\ufffed\ud800e\rf\ng\th\U0001f600"})
    assert parsed["DNSName"] == "a\ufffdb\ufffdc\ufffdd\ufffde\rf\ng\th\U0001f600"


@pytest.mark.parametrize(
    "answer",
    [
        {"Nonsense": "x"},
        {"LoadBalancerDescriptions": "x"},
        {"LoadBalancerDescriptions": ["x"]},
        {"LoadBalancerDescriptions": [{"LoadBalancerName": 1}]},
        {"LoadBalancerDescriptions": [{"HealthCheck": {"Interval": True}}]},
    ],
)
def test_an_answer_that_the_model_does_not_know_is_a_defect(answer: Any) -> None:
    with pytest.raises(errors.Defect):
        rendered("DescribeLoadBalancers", answer)


def test_faults_have_the_codes_and_statuses_of_the_model() -> None:
    fault = query.modelled("AccessPointNotFoundException", "no <such> thing\x07")
    assert (fault.code, fault.status) == ("LoadBalancerNotFound", 400)
    parsed = wire.received("DescribeLoadBalancers", query.render_fault(fault, "request-2"), fault.status)
    assert parsed["Error"] == {"Type": "Sender", "Code": "LoadBalancerNotFound", "Message": "no <such> thing\ufffd"}
    assert parsed["ResponseMetadata"]["RequestId"] == "request-2"
    assert query.modelled("InvalidConfigurationRequestException", "").status == 409


def test_the_service_to_blame_is_the_receiver() -> None:
    fault = query.Fault("InternalFailure", "oops", status=500, sender=False)
    assert b"<Type>Receiver</Type>" in query.render_fault(fault, "request-3")
