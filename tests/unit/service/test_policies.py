"""IAM policy documents: what they allow, and that nothing else does."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from elbflow.service import policies, policy_conditions

WEB = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/web"
OTHER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/other"
CERTIFICATE = "arn:aws:iam::123456789012:server-certificate/shop/www"
DELETE = "elasticloadbalancing:DeleteLoadBalancer"
ALLOWED, NOT_ALLOWED, DENIED = policies.Decision.ALLOWED, policies.Decision.NOT_ALLOWED, policies.Decision.DENIED


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*"} | elements


def without(name: str, **elements: Any) -> dict[str, Any]:
    return {key: value for key, value in statement(**elements).items() if key != name}


def read(*statements: dict[str, Any], version: str = "2012-10-17") -> policies.Policy:
    return policies.parse(json.dumps({"Version": version, "Statement": list(statements)}))


def decide(*statements: dict[str, Any], action: str = DELETE, resource: str = WEB) -> policies.Decision:
    return policies.decide([read(*statements)], policies.Request(action, resource))


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("elasticloadbalancing:*", True),
        ("elasticloadbalancing:Delete*", True),
        ("ELASTICLOADBALANCING:deleteloadbalancer", True),
        ("elasticloadbalancing:Delete?oadBalancer", True),
        (["ec2:*", "elasticloadbalancing:DeleteLoadBalancer"], True),
        ("elasticloadbalancing:DeleteLoadBalance", False),
        ("elasticloadbalancing:Describe*", False),
        ("ec2:*", False),
        ("elasticloadbalancin?:*", None),
    ],
)
def test_actions(pattern: Any, matches: bool | None) -> None:
    if matches is None:
        with pytest.raises(policies.MalformedPolicy):
            read(statement(Action=pattern))
    else:
        assert decide(statement(Action=pattern)) is (ALLOWED if matches else NOT_ALLOWED)
        assert decide(without("Action", NotAction=pattern)) is (NOT_ALLOWED if matches else ALLOWED)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        (WEB, True),
        (WEB.upper().replace("ARN:AWS:ELASTICLOADBALANCING", "arn:aws:elasticloadbalancing"), True),
        ("arn:aws:elasticloadbalancing:*:*:loadbalancer/*", True),
        ("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/w?b", True),
        ("arn:*:*:*:*:*", True),
        ([OTHER, WEB], True),
        (OTHER, False),
        ("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/*", False),
        ("arn:aws:elasticloadbalancing:us-east-1:210987654321:loadbalancer/*", False),
        ("arn:aws:elasticloadbalancing:*:loadbalancer/*:*:", False),
        ("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/w[e]b", False),
        ("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/w.b", False),
    ],
)
def test_resources(pattern: Any, matches: bool) -> None:
    assert decide(statement(Resource=pattern)) is (ALLOWED if matches else NOT_ALLOWED)
    assert decide(without("Resource", NotResource=pattern)) is (NOT_ALLOWED if matches else ALLOWED)


def test_wildcards_that_are_meant_as_they_are() -> None:
    """As of a certificate whose owner chose a path of stars: its VM's role must not have the others as well."""
    prefix = "arn:aws:iam::123456789012:server-certificate/"
    for name, other in (("*/web", "shop/web"), ("?/web", "s/web"), ("a$b/w*b", "a$b/web"), ("${*}/w", "*/w")):
        only = statement(Resource=policy_conditions.literal(prefix + name))
        assert decide(only, action="iam:DownloadServerCertificate", resource=prefix + name) is ALLOWED
        assert decide(only, action="iam:DownloadServerCertificate", resource=prefix + other) is NOT_ALLOWED
    with pytest.raises(policies.MalformedPolicy, match="Variables"):
        read(statement(Resource=prefix + "${*}${aws:username}"))


def test_certificates_are_told_apart_by_case() -> None:
    prefix = "arn:aws:iam::123456789012:server-certificate"
    for path, result in (("/shop/*", ALLOWED), ("/Shop/*", NOT_ALLOWED)):
        reading = statement(Resource=prefix + path)
        assert decide(reading, action="iam:GetServerCertificate", resource=CERTIFICATE) is result


def test_a_denial_wins_wherever_it_stands() -> None:
    deny, allow = statement(Effect="Deny", Resource=WEB), statement()
    for order in ((deny, allow), (allow, deny)):
        assert decide(*order) is DENIED
        assert decide(*order, resource=OTHER) is ALLOWED
    one, two = read(allow), read(deny)
    assert policies.decide([one, two], policies.Request(DELETE, WEB)) is DENIED
    assert policies.decide([], policies.Request(DELETE, WEB)) is NOT_ALLOWED
    assert decide(statement(Effect="Limit")) is NOT_ALLOWED


@pytest.mark.parametrize(
    ("operator", "value", "tags", "holds"),
    [
        ("StringEquals", "a", ("a",), True),
        ("StringEquals", ["b", "a"], ("a",), True),
        ("StringEquals", "a", ("A",), False),
        ("StringEquals", "a", (), False),
        ("StringEqualsIfExists", "a", (), True),
        ("StringEqualsIfExists", "a", ("b",), False),
        ("StringEqualsIgnoreCase", "a", ("A",), True),
        ("StringNotEquals", "a", ("b",), True),
        ("StringNotEquals", ["a", "b"], ("b",), False),
        ("StringNotEquals", "a", (), True),
        ("StringLike", "team-*", ("team-a",), True),
        ("StringLike", "team-*", ("Team-a",), False),
        ("StringNotLike", "team-*", ("other",), True),
        ("Null", "true", (), True),
        ("Null", "false", (), False),
        ("Null", True, ("a",), False),
    ],
)
def test_conditions_on_tags(operator: str, value: Any, tags: tuple[str, ...], holds: bool) -> None:
    condition = {operator: {"aws:ResourceTag/Team": value}}
    context = {"aws:resourcetag/team": tags} if tags else {}
    request = policies.Request(DELETE, WEB, context)
    for effect, result in (("Allow", ALLOWED), ("Deny", DENIED)):
        decision = policies.decide([read(statement(Effect=effect, Condition=condition))], request)
        assert decision is (result if holds else NOT_ALLOWED)


def test_sets_of_values() -> None:
    def holds(operator: str, *given: str) -> bool:
        policy = read(statement(Condition={operator: {"aws:TagKeys": ["a", "b"]}}))
        context = {"aws:tagkeys": given} if given else {}
        return policies.decide([policy], policies.Request(DELETE, WEB, context)) is ALLOWED

    assert holds("ForAllValues:StringEquals", "a", "b")
    assert not holds("ForAllValues:StringEquals", "a", "c")
    assert holds("ForAnyValue:StringEquals", "a", "c")
    assert not holds("ForAnyValue:StringEquals", "c")
    assert not holds("ForAnyValue:StringEquals")


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"Bool": {"aws:ResourceTag/a": "true"}},
        {"StringEquals": {"aws:ResourceTag/a": "${aws:username}"}},
        {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},
        {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}},
        {"Null": {"aws:SourceVpc": "true"}},
        {"Null": {"aws:ResourceTag/a": "maybe"}},
        {"StringEqalsIfExists": {"aws:RequestTag/b": "1"}},
        {"NullIfExists": {"aws:RequestTag/b": "true"}},
        {"IfExists": {"aws:RequestTag/b": "1"}},
    ],
)
def test_what_is_not_understood_never_grants(condition: dict[str, Any]) -> None:
    context = {"aws:resourcetag/a": ("${aws:username}",)}
    request = policies.Request(DELETE, WEB, context)
    assert policies.decide([read(statement(Condition=condition))], request) is NOT_ALLOWED
    assert policies.decide([read(statement(), statement(Effect="Deny", Condition=condition))], request) is DENIED


def test_all_conditions_must_hold() -> None:
    both = {"StringEquals": {"aws:ResourceTag/a": "1", "aws:RequestTag/b": "2"}}
    given = {"aws:resourcetag/a": ("1",)}
    policy = read(statement(Condition=both))
    assert policies.decide([policy], policies.Request(DELETE, WEB, given)) is NOT_ALLOWED
    whole = {**given, "aws:requesttag/b": ("2",)}
    assert policies.decide([policy], policies.Request(DELETE, WEB, whole)) is ALLOWED
    assert policies.reads([policy], "aws:resourcetag/")
    assert not policies.reads([read(statement())], "aws:resourcetag/")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"Statement": []}',
        '{"Version": "2020-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Permit", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": [], "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "elb", "Resource": "*"}}',
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": '
        '{"StringEquals": {"aws:TagKeys": "a"}, "StringEquals": {"aws:username": "bob"}}}}',
        "[" * 10_000,
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "web"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:username}"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": []}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"a": {}}}}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"a": []}}}}',
    ],
)
def test_malformed_documents(document: str) -> None:
    with pytest.raises(policies.MalformedPolicy):
        policies.parse(document)


def test_documents_have_a_length() -> None:
    with pytest.raises(policies.MalformedPolicy):
        policies.parse(" " * (policies.LONGEST + 1))


def test_quotas() -> None:
    key = "elasticloadbalancing:quota-loadbalancernumber"
    create = "elasticloadbalancing:CreateLoadBalancer"

    def bound(number: Any, action: str = create) -> dict[str, Any]:
        condition = {"NumericLessThanEquals": {"elasticloadbalancing:quota-LoadBalancerNumber": number}}
        return statement(Effect="Limit", Action=action, Condition=condition)

    assert policies.limit([read(bound("5")), read(bound(3))], create, key) == 3
    assert policies.limit([read(bound("5", DELETE))], create, key) is None
    assert policies.limit([read(statement())], create, key) is None


def test_what_may_ever_be_done() -> None:
    one = [read(statement(Action="elasticloadbalancing:Describe*", Resource=WEB))]
    assert policies.may_ever(one, "elasticloadbalancing:DescribeTags")
    assert not policies.may_ever(one, DELETE)
    assert not policies.may_ever([read(statement(Effect="Deny"))], DELETE)


@pytest.mark.parametrize("pattern", ["*a" * 1000 + "*b", "*?a" * 500 + "*b", "*" * 5000 + "b", "a*" * 1000 + "b"])
def test_patterns_take_little_time(pattern: str) -> None:
    resource = f"arn:aws:elasticloadbalancing:us-east-1:123456789012:{'a' * 255}"
    policy = read(statement(Resource=f"arn:aws:elasticloadbalancing:us-east-1:123456789012:{pattern}"))
    began = time.process_time()
    assert policies.decide([policy], policies.Request(DELETE, resource)) is NOT_ALLOWED
    assert time.process_time() - began < 2
