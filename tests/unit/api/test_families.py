"""Rules of the operations on VPCs, tags, attributes and limits, and what health looks like."""

from __future__ import annotations

import pytest

from elbflow import store
from elbflow.contract import cloud, document
from elbflow_api import query, settings
from elbflow_api.rules import attributes, health_check, health_states, limits, naming, paging, tags, vpc

A, A2, B = (cloud.Subnet(f"subnet-{n}", zone, "vpc-1") for n, zone in (("a", "a"), ("a2", "a"), ("b", "b")))
ALIEN = cloud.Subnet("subnet-x", "b", "vpc-2")
KNOWN = {subnet.subnet_id: subnet for subnet in (A, A2, B, ALIEN)}
GROUPS = {
    "sg-1": cloud.VpcGroup(document.SecurityGroup("sg-1", "web"), "vpc-1"),
    "sg-x": cloud.VpcGroup(document.SecurityGroup("sg-x", "web"), "vpc-2"),
}
SETTINGS = settings.ApiSettings(store_url="sqlite://", max_load_balancers=7, max_instances=50)


def params(**given: query.Value) -> query.Params:
    return query.Params(given)


def refused(caught: pytest.ExceptionInfo[query.Fault]) -> tuple[str, int]:
    return caught.value.code, caught.value.status


# --- VPC -----------------------------------------------------------------------------------------------------------


def test_subnets_are_found_once_in_order() -> None:
    assert vpc.found_subnets(["subnet-b", "subnet-a", "subnet-b"], KNOWN) == (B, A)
    assert vpc.same_vpc((A, B)) == "vpc-1"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["subnet-a", "subnet-9"], ("SubnetNotFound", 400)),
        (["subnet-a", "subnet-a2"], ("InvalidConfigurationRequest", 409)),
        (["subnet-a", "subnet-x"], ("InvalidConfigurationRequest", 409)),
    ],
)
def test_subnets_that_do_not_go_together(wanted: list[str], expected: tuple[str, int]) -> None:
    with pytest.raises(query.Fault) as caught:
        vpc.same_vpc(vpc.found_subnets(wanted, KNOWN))
    assert refused(caught) == expected


def test_schemes() -> None:
    assert vpc.scheme(None, in_vpc=False) == vpc.scheme("internet-facing", in_vpc=False) == "internet-facing"
    assert vpc.scheme("internal", in_vpc=True) == "internal"
    for given, in_vpc in (("internal", False), ("Internal", True), ("", True)):
        with pytest.raises(query.Fault) as caught:
            vpc.scheme(given, in_vpc=in_vpc)
        assert refused(caught) == ("InvalidScheme", 400)


def test_an_internet_facing_load_balancer_needs_a_gateway() -> None:
    vpc.require_internet_gateway(cloud.Vpc("vpc-1", True, True))
    with pytest.raises(query.Fault, match="VPC vpc-1 has no internet gateway") as caught:
        vpc.require_internet_gateway(cloud.Vpc("vpc-1", True, False))
    assert refused(caught) == ("InvalidSubnet", 400)


def test_groups() -> None:
    assert vpc.read_group_ids(["sg-2", "sg-1", "sg-2"], 2) == ("sg-1", "sg-2")
    assert vpc.found_groups(["sg-1"], GROUPS, "vpc-1") == (document.SecurityGroup("sg-1", "web"),)
    for wanted, expected in (
        (["sg-1", "sg-9"], ("InvalidSecurityGroup", 400)),
        (["sg-1", "sg-x"], ("InvalidConfigurationRequest", 409)),
    ):
        with pytest.raises(query.Fault) as caught:
            vpc.found_groups(wanted, GROUPS, "vpc-1")
        assert refused(caught) == expected
    with pytest.raises(query.Fault, match="more than 2 security groups"):
        vpc.read_group_ids(["sg-1", "sg-2", "sg-3"], 2)


def test_zones_without_a_default_subnet() -> None:
    assert vpc.default_subnets(["a"], {"a": A}, "vpc-1") == {"a": "subnet-a"}
    with pytest.raises(query.Fault, match="no default subnet in b") as caught:
        vpc.default_subnets(["a", "b"], {"a": A}, "vpc-1")
    assert refused(caught) == ("InvalidConfigurationRequest", 409)


def test_names_of_internal_ones() -> None:
    key = document.LoadBalancerKey("000000000001", "Web")
    assert naming.dns_name(key, "lb.example.com", internal=True) == "internal-Web-000000000001.lb.example.com"
    assert naming.hosted_zone_id("lb.example.com") == naming.hosted_zone_id("LB.example.com")
    assert naming.hosted_zone_id("lb.example.com") != naming.hosted_zone_id("lb.example.org")


# --- tags ----------------------------------------------------------------------------------------------------------


def test_only_what_is_new_and_not_reserved_counts() -> None:
    tags.require_room([("a", "1"), ("aws:x", "1")], [("a", "2"), ("b", "")], 2)
    with pytest.raises(query.Fault) as caught:
        tags.require_room([("a", "1"), ("b", "1")], [("c", "2")], 2)
    assert refused(caught) == ("TooManyTags", 400)


def test_keys_to_remove() -> None:
    assert tags.read_keys([params(Key="b"), params(Key="a"), params(Key="b")]) == ("b", "a")
    for key in ("aws:x", "AWS:x", "euca:x"):
        with pytest.raises(query.Fault):
            tags.read_keys([params(Key=key)])
    with pytest.raises(query.Fault) as caught:
        tags.read_keys([params()])
    assert refused(caught) == ("ValidationError", 400)


# --- limits and pages ----------------------------------------------------------------------------------------------


def test_an_accounts_quotas_come_before_the_usual_limits_within_what_can_be_carried() -> None:
    assert limits.of({}, SETTINGS) == {
        "classic-load-balancers": 7,
        "classic-listeners": 100,
        "classic-registered-instances": 50,
    }
    own = {"classic-load-balancers": 9, "classic-listeners": 500, "classic-registered-instances": 3, "other": 1}
    assert limits.of(own, SETTINGS) == {
        "classic-load-balancers": 9,
        "classic-listeners": 100,
        "classic-registered-instances": 3,
    }


@pytest.mark.parametrize("marker", ["ä", "a", "____=", "/w=="])
def test_markers_that_nobody_was_given(marker: str) -> None:
    with pytest.raises(query.Fault, match="Invalid Marker") as caught:
        paging.after(params(Marker=marker))
    assert refused(caught) == ("ValidationError", 400)


def test_markers_come_back() -> None:
    assert paging.after(params(Marker=paging.marker("web/1"))) == "web/1"
    assert paging.after(params(Marker="")) == paging.after(params()) == ""
    assert (paging.size(params()), paging.size(params(PageSize=3))) == (400, 3)


# --- attributes ----------------------------------------------------------------------------------------------------


def log(**given: query.Value) -> query.Params:
    return params(AccessLog={"Enabled": True, "S3BucketName": "logs", **given})


def test_access_logs_come_and_go_with_their_settings() -> None:
    given = log(S3BucketPrefix="a/b", EmitInterval=5)
    attributes.check(given, any_interval=False)
    on = attributes.merged(document.Attributes(), given)
    assert attributes.shown(on, given) == {
        "AccessLog": {"Enabled": True, "S3BucketName": "logs", "EmitInterval": 5, "S3BucketPrefix": "a/b"}
    }
    assert attributes.merged(on, log()).access_log_interval_min == 60
    assert attributes.merged(on, params(AccessLog={"Enabled": False})) == document.Attributes()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (log(EmitInterval=10), "InvalidConfigurationRequest"),
        (log(S3BucketName=""), "InvalidConfigurationRequest"),
        (log(S3BucketPrefix="a\nb"), "InvalidConfigurationRequest"),
        (log(S3BucketPrefix="a" * 513), "InvalidConfigurationRequest"),
        (params(AccessLog={"Enabled": False, "EmitInterval": 0}), "InvalidConfigurationRequest"),
        (params(ConnectionDraining={"Enabled": True, "Timeout": 0}), "ValidationError"),
        (params(AdditionalAttributes=[{"Key": "x", "Value": "y"}]), "LoadBalancerAttributeNotFound"),
        (
            params(AdditionalAttributes=[{"Key": attributes.DESYNC_MODE, "Value": "Monitor"}]),
            "InvalidConfigurationRequest",
        ),
        (params(AdditionalAttributes=[{"Key": attributes.DESYNC_MODE}]), "InvalidConfigurationRequest"),
    ],
)
def test_impossible_attributes(given: query.Params, code: str) -> None:
    with pytest.raises(query.Fault) as caught:
        attributes.check(given, any_interval=False)
    assert caught.value.code == code


def test_the_original_takes_every_interval() -> None:
    attributes.check(log(EmitInterval=10), any_interval=True)
    with pytest.raises(query.Fault):
        attributes.check(log(EmitInterval=61), any_interval=True)


@pytest.mark.parametrize("mode", ["monitor", "defensive", "strictest"])
def test_desync_modes(mode: str) -> None:
    given = params(AdditionalAttributes=[{"Key": attributes.DESYNC_MODE, "Value": mode}])
    attributes.check(given, any_interval=False)
    changed = attributes.merged(document.Attributes(), given)
    assert changed.desync_mitigation == mode
    assert attributes.shown(changed)["AdditionalAttributes"] == [{"Key": attributes.DESYNC_MODE, "Value": mode}]


# --- health --------------------------------------------------------------------------------------------------------


def test_the_first_health_check() -> None:
    assert health_check.default(8000, original=False) == document.HealthCheck("TCP:8000", 30, 5, 2, 10)
    assert health_check.default(8000, original=True) == document.HealthCheck("TCP:8000", 30, 5, 3, 3)


@pytest.mark.parametrize(
    ("reason_code", "original", "expected"),
    [("ELB", False, "Unknown"), ("Instance", False, "OutOfService"), ("ELB", True, "Error")],
)
def test_aws_has_no_state_error(reason_code: str, original: bool, expected: str) -> None:
    backend = store.Backend("i-1", "10.0.0.1", "a", store.BackendState.ERROR, reason_code, "why", 1.0)
    shown = health_states.of(backend, original=original)
    assert (shown.state.value, shown.reason_code, shown.description) == (expected, reason_code, "why")
