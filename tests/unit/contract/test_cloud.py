"""The local cloud as settings declare it."""

from __future__ import annotations

import json

import pydantic
import pytest

from elbflow.contract import cloud, document, settings

ACCOUNT = "000000000001"
VPC = {
    "vpc_id": "vpc-1",
    "default": True,
    "subnets": {"subnet-a": "a", "subnet-a2": "a", "subnet-b": "b"},
    "security_groups": {"sg-0": "default", "sg-1": "web"},
}


class Zones(settings.ZoneSettings):
    """The settings alone."""


def view_of(zones: Zones) -> cloud.DeclaredCloud:
    return cloud.DeclaredCloud(zones.zones, zones.vpc.declared() if zones.vpc else None, zones.access_log_buckets)


def declared(**changes: object) -> cloud.DeclaredCloud:
    return view_of(Zones(zones=("a", "b", "c"), vpc=settings.VpcSettings.model_validate(VPC | changes)))


async def test_without_a_vpc_there_are_zones_only() -> None:
    view = view_of(Zones(zones=("a",)))
    assert await view.zones() == ("a",)
    assert await view.default_vpc(ACCOUNT) is None
    assert await view.vpc(ACCOUNT, "vpc-1") is None
    assert await view.subnets(ACCOUNT, ["subnet-a"]) == {}
    assert await view.security_groups(ACCOUNT, ["sg-0"]) == {}
    assert await view.default_security_group(ACCOUNT, "vpc-1") is None


async def test_subnets_of_a_default_vpc() -> None:
    view = declared()
    assert await view.default_vpc(ACCOUNT) == await view.vpc(ACCOUNT, "vpc-1") == cloud.Vpc("vpc-1", True, True)
    assert set(await view.subnets(ACCOUNT, ["subnet-a", "subnet-x", "subnet-b"])) == {"subnet-a", "subnet-b"}
    defaults = await view.default_subnets(ACCOUNT, "vpc-1")
    assert {zone: subnet.subnet_id for zone, subnet in defaults.items()} == {"a": "subnet-a", "b": "subnet-b"}
    assert await view.default_subnets(ACCOUNT, "vpc-2") == {}


async def test_a_vpc_that_is_not_the_default_one() -> None:
    view = declared(default=False)
    assert await view.default_vpc(ACCOUNT) is None
    assert await view.vpc(ACCOUNT, "vpc-1") == cloud.Vpc("vpc-1", False, True)
    assert await view.default_subnets(ACCOUNT, "vpc-1") == {}
    assert await view.default_security_group(ACCOUNT, "vpc-1") == document.SecurityGroup("sg-0", "default")


async def test_every_account_has_a_group_of_the_services_own() -> None:
    view = declared()
    own = cloud.default_elb_group(ACCOUNT, "vpc-1")
    assert own.name == "default_elb_0a10aeb2-270c-3eb9-8cb1-8aff14b78a55"
    assert own != cloud.default_elb_group("000000000002", "vpc-1")
    found = await view.security_groups(ACCOUNT, [own.group_id, "sg-1", "sg-9"])
    assert found == {
        own.group_id: cloud.VpcGroup(own, "vpc-1"),
        "sg-1": cloud.VpcGroup(document.SecurityGroup("sg-1", "web"), "vpc-1"),
    }


async def test_buckets() -> None:
    anything = view_of(Zones(zones=("a",)))
    assert await anything.bucket_refusal(ACCOUNT, "my-logs") is None
    assert await anything.bucket_refusal(ACCOUNT, "My_Logs") is not None
    assert await anything.bucket_refusal(ACCOUNT, "ab") is not None
    chosen = view_of(Zones(zones=("a",), access_log_buckets=frozenset({"my-logs"})))
    assert await chosen.bucket_refusal(ACCOUNT, "my-logs") is None
    assert "Access Denied" in (await chosen.bucket_refusal(ACCOUNT, "others") or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"vpc_id": "1"},
        {"subnets": {}},
        {"subnets": {"net": "a"}},
        {"subnets": {"subnet-a": "mars"}},
        {"security_groups": {"sg-1": "web"}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_impossible_vpcs(changes: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        declared(**changes)


def test_attributes_that_are_as_ever_are_written_as_ever() -> None:
    """Executions in flight replay payloads of builds that knew no desync mitigation."""
    adapter = pydantic.TypeAdapter(document.Attributes)
    assert "desync" not in adapter.dump_json(document.Attributes()).decode()
    strict = document.Attributes(desync_mitigation=document.DesyncMitigation.STRICTEST)
    assert json.loads(adapter.dump_json(strict))["desync_mitigation"] == "strictest"
    assert adapter.validate_json(adapter.dump_json(strict)) == strict


def test_what_a_later_build_adds_to_a_document_is_ignored_by_an_earlier_one() -> None:
    adapter = pydantic.TypeAdapter(document.LoadBalancerDocument)
    known = document.LoadBalancerDocument(document.LoadBalancerKey(ACCOUNT, "web"), 1, "a")
    later = json.loads(adapter.dump_json(known))
    later["news"] = 1
    later["attributes"]["news"] = {"a": [1]}
    assert adapter.validate_python(later) == known
