"""A document written as the original's XML is read as the same document; anything else is refused, not crashed on."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests import original_messages

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.original import composing, markup, reading

ACCOUNT = "000000000001"
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20)
NAMES = TEXTS.map(str.strip).filter(bool)
VALUES = st.text(
    st.one_of(st.sampled_from("\t\n\r<>&\"']"), st.characters(exclude_categories=("Cc", "Cs"), max_codepoint=0x2000)),
    max_size=20,
)
PORTS = st.integers(1, 65535)
POLICY_NAMES = st.lists(st.sampled_from(["a", "b", "c <&>", "d"]), max_size=3).map(tuple)
ENCRYPTED = (document.Protocol.HTTPS, document.Protocol.SSL)

LISTENERS = st.builds(
    document.Listener,
    st.sampled_from(document.Protocol),
    PORTS,
    st.sampled_from(document.Protocol),
    PORTS,
    st.one_of(st.none(), NAMES),
    POLICY_NAMES,
).map(lambda each: each if each.protocol in ENCRYPTED else replace(each, certificate_arn=None))
TARGETS = st.one_of(
    st.builds("{}:{}/{}".format, st.sampled_from(["HTTP", "HTTPS"]), PORTS, st.text("az09:/?&=%<>'\"", max_size=20)),
    st.builds("{}:{}".format, st.sampled_from(["TCP", "SSL"]), PORTS),
)
SECONDS = st.integers(1, 3600)
DOCUMENTS = st.builds(
    document.LoadBalancerDocument,
    key=st.builds(document.LoadBalancerKey, st.just(ACCOUNT), st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True)),
    generation=st.just(0),
    zone=TEXTS.map(str.strip),
    listeners=st.lists(LISTENERS, max_size=4).map(tuple),
    backends=st.lists(st.builds(document.BackendInstance, NAMES, TEXTS.map(str.strip), st.booleans()), max_size=4).map(
        tuple
    ),
    health_check=st.one_of(st.none(), st.builds(document.HealthCheck, TARGETS, SECONDS, SECONDS, SECONDS, SECONDS)),
    policies=st.lists(
        st.builds(document.Policy, NAMES, NAMES, st.lists(st.tuples(NAMES, VALUES), max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    backend_policies=st.lists(st.builds(document.BackendServerPolicies, PORTS, POLICY_NAMES), max_size=3).map(tuple),
    attributes=st.builds(
        document.Attributes,
        idle_timeout_s=st.integers(-5, 10_000),
        cross_zone=st.booleans(),
        draining_enabled=st.booleans(),
        draining_timeout_s=st.integers(0, 3600),
        access_log_enabled=st.booleans(),
        access_log_bucket=st.one_of(st.none(), NAMES),
        access_log_prefix=TEXTS.map(str.strip),
        access_log_interval_min=st.integers(1, 1440),
        desync_mitigation=st.just(document.DesyncMitigation.DEFENSIVE),
    ),
)


@given(DOCUMENTS)
def test_what_is_written_is_read(wanted: document.LoadBalancerDocument) -> None:
    text = original_messages.load_balancer(wanted, policies=True)
    assert reading.load_balancer(text, ACCOUNT) == reading.Read(wanted)


@given(DOCUMENTS, st.data())
def test_in_whatever_order_policies_come_the_document_is_the_same(
    wanted: document.LoadBalancerDocument, data: st.DataObject
) -> None:
    policies = tuple(document.Policy(name, "T") for name in ("a", "b", "c <&>", "d"))
    told = replace(wanted, policies=())  # its own would be another "a"
    whole = composing.complete(told, None, policies)
    before = data.draw(st.sets(st.sampled_from(policies)))
    partial = composing.complete(told, None, before)
    assert set(partial.policies) == before & set(whole.policies)
    assert composing.renewed(partial, policies) == whole
    assert composing.complete(told, whole, ()) == whole


@given(DOCUMENTS, st.integers(0, 4000), st.text(max_size=6))
def test_damage_is_refused_or_read(wanted: document.LoadBalancerDocument, at: int, noise: str) -> None:
    text = original_messages.load_balancer(wanted, policies=True)
    at %= len(text)
    for damaged in (text[:at], text[:at] + noise + text[at:], text[:at] + noise + text[at + len(noise) :]):
        with contextlib.suppress(errors.Permanent):
            assert reading.load_balancer(damaged, ACCOUNT).document.key.account == ACCOUNT


@given(st.text(max_size=200))
def test_no_text_does_harm(text: str) -> None:
    with contextlib.suppress(markup.Invalid):
        assert markup.parse(text).name != ""
