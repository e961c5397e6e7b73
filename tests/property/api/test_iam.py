"""Hostile uploads and policy documents: refused in so many words, never a failure of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.api.iam.conftest import NOW, Issued, issue

from elbflow.service import policies
from elbflow_api import query
from elbflow_api.iam import pem

GOOD: Issued = issue("www.example.com", issue("authority"))
PARTS = [
    GOOD.pem,
    GOOD.key_pem(),
    *GOOD.pem.splitlines(True),
    *GOOD.key_pem().splitlines(True),
    "\x00",
    "Proc-Type: 4,",
]
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PARTS), max_size=12).map("".join))

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)
NAMES = ["StringEquals", "StringLike", "ForAllValues:StringLike", "Null", "NumericLessThanEquals", "IpAddress", ""]
KEYS = ["aws:ResourceTag/a", "aws:RequestTag/b", "aws:TagKeys", "aws:SourceIp", "x"]
CONDITIONS = st.dictionaries(
    st.sampled_from(NAMES), st.dictionaries(st.sampled_from(KEYS), JSON | st.just("a"), max_size=2), max_size=2
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny", "Limit"]) | JSON},
    optional={
        "Action": st.sampled_from(["*", "elasticloadbalancing:*", "a:b"]) | JSON,
        "NotAction": st.just("a:b"),
        "Resource": st.sampled_from(["*", "arn:aws:elasticloadbalancing:*:*:*"]) | JSON,
        "NotResource": st.just("*"),
        "Condition": CONDITIONS | JSON,
        "Sid": JSON,
    },
)
REQUEST = policies.Request(
    "elasticloadbalancing:DeleteLoadBalancer",
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/web",
    {"aws:resourcetag/a": ("a",), "aws:tagkeys": ("a", "b")},
)


def upload(body: str, key: str, chain: str | None) -> pem.Checked | query.Fault:
    try:
        return pem.check(body, key, chain, NOW.timestamp())
    except query.Fault as fault:
        return fault


@given(body=TEXTS, key=TEXTS, chain=st.none() | TEXTS)
def test_any_upload_is_taken_or_refused(body: str, key: str, chain: str | None) -> None:
    result = upload(body, key, chain)
    if isinstance(result, query.Fault):
        assert result.code in ("MalformedCertificate", "KeyPairMismatch")
        assert GOOD.key_pem().splitlines()[1] not in result.message
    else:
        assert "PRIVATE" not in result.body + (result.chain or "")
        assert result.private_key == GOOD.key_pem().encode()


@given(document=JSON.map(json.dumps) | st.text(max_size=40))
def test_any_document_is_read_or_refused(document: str) -> None:
    with pytest.raises(policies.MalformedPolicy):
        policies.parse(document)


@given(statements=st.lists(STATEMENTS, max_size=3))
def test_any_statement_is_read_or_refused_and_a_denial_only_takes_away(statements: list[dict[str, Any]]) -> None:
    try:
        policy = policies.parse(json.dumps({"Statement": statements}))
    except policies.MalformedPolicy:
        return
    decision = policies.decide([policy], REQUEST)
    allowing = tuple(one for one in policy if one.effect is policies.Effect.ALLOW)
    if decision is policies.Decision.ALLOWED:
        assert policies.decide([allowing], REQUEST) is policies.Decision.ALLOWED
        assert policies.may_ever([policy], REQUEST.action)
    everything = policies.parse('{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}')
    assert policies.decide([policy, everything], REQUEST) is policies.Decision.DENIED
