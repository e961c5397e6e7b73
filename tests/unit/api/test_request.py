"""Parameters become typed values; whatever breaks the model's constraints is named in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.api import wire

from elbflow_api import query


def parse(operation: str, *pairs: tuple[str, str]) -> query.Params:
    found = query.find_operation(operation)
    assert found is not None
    return query.parse(found, pairs)


def refused(operation: str, *pairs: tuple[str, str]) -> str:
    with pytest.raises(query.Fault) as caught:
        parse(operation, *pairs)
    assert (caught.value.code, caught.value.status, caught.value.sender) == ("ValidationError", 400, True)
    return caught.value.message


def read_sent(operation: str, params: dict[str, Any]) -> query.Params:
    found = query.find_operation(operation)
    assert found is not None
    return query.parse(found, query.read_pairs(wire.sent(operation, params)))


def test_what_a_client_sends_is_read_back() -> None:
    params = read_sent(
        "CreateLoadBalancer",
        {
            "LoadBalancerName": "web",
            "Listeners": [
                {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000},
                {"Protocol": "TCP", "LoadBalancerPort": 81, "InstancePort": 8001},
            ],
            "AvailabilityZones": ["a&b=c", "<b>+%"],
            "Tags": [{"Key": "k", "Value": "ü v"}],
        },
    )
    assert params.text("LoadBalancerName") == "web"
    assert [one.integer("LoadBalancerPort") for one in params.structures("Listeners")] == [80, 81]
    assert params.texts("AvailabilityZones") == ("a&b=c", "<b>+%")
    assert params.structures("Tags")[0].text("Value") == "ü v"
    assert params.optional_text("Scheme") is None


def test_lists_are_ordered_by_number_not_by_text_and_may_have_gaps() -> None:
    pairs = [(f"LoadBalancerNames.member.{n}", f"n{n}") for n in (10, 2, 1, 30)]
    assert parse("DescribeLoadBalancers", *pairs).texts("LoadBalancerNames") == ("n1", "n2", "n10", "n30")


def test_empty_list_form() -> None:
    params = parse(
        "SetLoadBalancerPoliciesOfListener",
        ("LoadBalancerName", "web"),
        ("LoadBalancerPort", "80"),
        ("PolicyNames", ""),
    )
    assert "PolicyNames" in params
    assert params.texts("PolicyNames") == ()


def test_unknown_parameters_are_ignored() -> None:
    params = parse("DescribeLoadBalancers", ("Surprise.member.x", "x"), ("LoadBalancerNames.member.1", "good"))
    assert params.texts("LoadBalancerNames") == ("good",)
    assert "Surprise" not in params


@pytest.mark.parametrize("number", ["0", "-1", "x", "\u0663", "99999999999999999999999", ""])
def test_a_misnumbered_name_does_not_become_a_list_of_everything(number: str) -> None:
    with pytest.raises(query.Fault, match="numbered from 1") as caught:
        parse("DescribeLoadBalancers", (f"LoadBalancerNames.member.{number}", "web"))
    assert caught.value.code == "ValidationError"


def test_booleans_in_any_case() -> None:
    params = parse(
        "ModifyLoadBalancerAttributes",
        ("LoadBalancerName", "web"),
        ("LoadBalancerAttributes.CrossZoneLoadBalancing.Enabled", "TRUE"),
    )
    attributes = params.structure("LoadBalancerAttributes")
    assert attributes is not None
    cross_zone = attributes.structure("CrossZoneLoadBalancing")
    assert cross_zone is not None
    assert cross_zone.flag("Enabled") is True
    assert attributes.structure("AccessLog") is None


def test_the_first_of_repeated_parameters_counts() -> None:
    params = parse("DeleteLoadBalancer", ("LoadBalancerName", "one"), ("LoadBalancerName", "two"))
    assert params.text("LoadBalancerName") == "one"


def test_missing_member_in_the_words_of_aws() -> None:
    assert refused("DeleteLoadBalancer") == (
        "1 validation error detected: Value null at 'loadBalancerName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_all_violations_in_one_message() -> None:
    message = refused(
        "ConfigureHealthCheck",
        ("HealthCheck.Target", "TCP:80"),
        ("HealthCheck.Interval", "4"),
        ("HealthCheck.Timeout", "x"),
        ("HealthCheck.UnhealthyThreshold", "11"),
    )
    assert message == (
        "5 validation errors detected: "
        "Value null at 'loadBalancerName' failed to satisfy constraint: Member must not be null; "
        "Value '4' at 'healthCheck.interval' failed to satisfy constraint: "
        "Member must have value greater than or equal to 5; "
        "Value 'x' at 'healthCheck.timeout' failed to satisfy constraint: Member must be an integer; "
        "Value '11' at 'healthCheck.unhealthyThreshold' failed to satisfy constraint: "
        "Member must have value less than or equal to 10; "
        "Value null at 'healthCheck.healthyThreshold' failed to satisfy constraint: Member must not be null"
    )


def test_members_of_lists_have_their_number_in_the_path() -> None:
    message = refused(
        "CreateLoadBalancerListeners",
        ("LoadBalancerName", "web"),
        ("Listeners.member.3.Protocol", "HTTP"),
        ("Listeners.member.3.LoadBalancerPort", "80"),
    )
    assert "Value null at 'listeners.3.member.instancePort'" in message


@pytest.mark.parametrize("value", ["1e3", "0x10", "", " 80", "8\n", "９", "1" * 19])
def test_what_is_no_integer(value: str) -> None:
    message = refused(
        "SetLoadBalancerListenerSSLCertificate",
        ("LoadBalancerName", "web"),
        ("LoadBalancerPort", value),
        ("SSLCertificateId", "arn"),
    )
    assert "'loadBalancerPort' failed to satisfy constraint: Member must be an integer" in message


def test_a_required_structure_without_members_is_null() -> None:
    assert "Value null at 'healthCheck'" in refused(
        "ConfigureHealthCheck", ("LoadBalancerName", "web"), ("HealthCheck", "x")
    )


def test_lengths_of_lists_and_strings_and_patterns() -> None:
    tags = [("LoadBalancerNames.member.1", "web"), ("Tags", "")]
    assert "'tags' failed to satisfy constraint: Member must have length greater than or equal to 1" in refused(
        "AddTags", *tags
    )
    long = [("LoadBalancerNames.member.1", "web"), ("Tags.member.1.Key", "k" * 129)]
    assert "'tags.1.member.key' failed to satisfy constraint: Member must have length less than or equal to 128" in (
        refused("AddTags", *long)
    )
    many = [(f"LoadBalancerNames.member.{n}", "web") for n in range(1, 22)]
    assert "Member must have length less than or equal to 20" in refused("DescribeTags", *many)
    bad = [("LoadBalancerNames.member.1", "web"), ("Tags.member.1.Key", "a\nb")]
    assert "Member must satisfy regular expression pattern" in refused("AddTags", *bad)


def test_tag_patterns_know_letters_of_all_scripts_and_blanks() -> None:
    params = parse(
        "AddTags",
        ("LoadBalancerNames.member.1", "web"),
        ("Tags.member.1.Key", "Größe 大小\u00a0٣_.:/=+-@"),
    )
    assert params.structures("Tags")[0].text("Key") == "Größe 大小\u00a0٣_.:/=+-@"


def test_idle_timeout_has_the_range_of_the_service_not_of_the_model() -> None:
    name = "LoadBalancerAttributes.ConnectionSettings.IdleTimeout"
    assert parse("ModifyLoadBalancerAttributes", ("LoadBalancerName", "web"), (name, "4000")) is not None
    assert "less than or equal to 4000" in refused(
        "ModifyLoadBalancerAttributes", ("LoadBalancerName", "web"), (name, "4001")
    )


def test_long_values_are_quoted_in_part() -> None:
    message = refused("DescribeLoadBalancers", ("PageSize", "x" * 100_000))
    assert len(message) < 500


def test_too_many_fields_are_refused_before_they_are_read() -> None:
    with pytest.raises(query.Fault) as caught:
        query.read_pairs(b"&".join(b"a=%d" % n for n in range(6_000)))
    assert caught.value.code == "MalformedQueryString"


def test_deep_names_do_not_nest_without_bound() -> None:
    body = b"LoadBalancerNames" + b".member" * 50_000 + b"=x&Action=DescribeLoadBalancers"
    operation = query.find_operation("DescribeLoadBalancers")
    assert operation is not None
    with pytest.raises(query.Fault, match="numbered from 1") as caught:
        query.parse(operation, query.read_pairs(body))
    assert len(caught.value.message) < 500
