"""Which listeners a document yields, and what is said about the others."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from tests.unit.agent.conftest import HTTP, HTTPS, KEY, SSL, TCP

from elbflow.contract import document
from elbflow_agent.haproxy import model, plan, tls

Make = Callable[..., document.LoadBalancerDocument]
ADDRESS = "127.80.0.9"


def everyone(_: str) -> bool:
    return True


def planned(wanted: document.LoadBalancerDocument) -> plan.Plan:
    return plan.plan(wanted, ADDRESS, everyone)


def sticky(name: str, **attributes: str) -> document.Policy:
    return document.Policy(name, "LBCookieStickinessPolicyType", tuple(attributes.items()))


def test_servers_are_named_sorted_and_ready_only_in_rotation(make_document: Make) -> None:
    result = plan.plan(make_document(), ADDRESS, lambda instance_id: instance_id == "i-00000002")
    (listener,) = result.model.listeners
    assert listener.servers == (
        model.Server("i-00000001", "10.0.0.1", 8000, model.Admin.MAINT),
        model.Server("i-00000002", "10.0.0.2", 8000, model.Admin.READY),
    )
    assert listener.mode is model.Mode.HTTP
    assert result.problems == ()


@pytest.mark.parametrize(
    ("front", "back", "mode", "tls"),
    [
        (HTTP, HTTP, model.Mode.HTTP, False),
        (HTTP, HTTPS, model.Mode.HTTP, True),
        (TCP, TCP, model.Mode.TCP, False),
        (TCP, SSL, model.Mode.TCP, True),
    ],
)
def test_plain_combinations_are_served(
    make_document: Make,
    front: document.Protocol,
    back: document.Protocol,
    mode: model.Mode,
    tls: bool,
) -> None:
    result = planned(make_document(listeners=(document.Listener(front, 80, back, 8000),)))
    (listener,) = result.model.listeners
    assert (listener.mode, listener.tls_to_servers) == (mode, tls)


@pytest.mark.parametrize("front", list(document.Protocol))
@pytest.mark.parametrize("back", list(document.Protocol))
def test_every_other_combination_is_that_listeners_problem_alone(
    make_document: Make, front: document.Protocol, back: document.Protocol
) -> None:
    layer7 = {HTTP, HTTPS}
    legal = (front in layer7) == (back in layer7)
    good = document.Listener(TCP, 9000, TCP, 9000)
    result = planned(make_document(listeners=(document.Listener(front, 80, back, 8000), good)))
    assert 9000 in result.model.ports
    reasons = [problem.reason for problem in result.problems]
    if not legal:
        assert reasons == [f"{front} to {back} is not a supported combination"]
    elif front in (HTTPS, SSL):
        assert reasons == ["the listener has no certificate"]
    else:
        assert reasons == []


@pytest.mark.parametrize(
    ("front", "back", "mode", "tls"),
    [
        (HTTP, TCP, model.Mode.HTTP, False),
        (HTTP, SSL, model.Mode.HTTP, True),
        (TCP, HTTP, model.Mode.TCP, False),
        (TCP, HTTPS, model.Mode.TCP, True),
    ],
)
def test_any_pair_where_that_is_wanted(
    make_document: Make, front: document.Protocol, back: document.Protocol, mode: model.Mode, tls: bool
) -> None:
    wanted = make_document(listeners=(document.Listener(front, 80, back, 8000),))
    result = plan.plan(wanted, "127.0.0.1", lambda _: True, manner=plan.Manner(any_pair=True))
    assert result.problems == ()
    assert [(each.mode, each.tls_to_servers) for each in result.model.listeners] == [(mode, tls)]


def test_cookie_stickiness(make_document: Make) -> None:
    def with_policy(**attributes: str) -> model.Stickiness | model.AppStickiness | None:
        listener = document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",))
        result = planned(make_document(listeners=(listener,), policies=(sticky("p", **attributes),)))
        return result.model.listeners[0].stickiness

    forever, hour = with_policy(), with_policy(CookieExpirationPeriod="3600")
    assert isinstance(forever, model.Stickiness)
    assert isinstance(hour, model.Stickiness)
    assert (forever.duration_s, hour.duration_s) == (None, 3600)
    assert forever.key == hour.key == plan.stickiness_key(KEY)
    assert plan.stickiness_key(document.LoadBalancerKey("000000000001", "other")) != forever.key


@pytest.mark.parametrize(
    ("listener", "policies", "reason"),
    [
        (document.Listener(HTTP, 80, HTTP, 8000, policy_names=("gone",)), (), "policy 'gone' is missing"),
        (document.Listener(TCP, 80, TCP, 8000, policy_names=("p",)), (sticky("p"),), "cookies need an HTTP"),
        (
            document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",)),
            (sticky("p", CookieExpirationPeriod="1\nserver evil"),),
            "is not a number of seconds",
        ),
        (
            document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",)),
            (sticky("p", CookieExpirationPeriod="99999999999999"),),
            "is not a duration",
        ),
        (
            document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",)),
            (document.Policy("p", "AppCookieStickinessPolicyType", (("CookieName", "AWSELB"),)),),
            "the load balancer's own cookie",
        ),
        (
            document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",)),
            (document.Policy("p", "AppCookieStickinessPolicyType", (("CookieName", 'x"\nbind :1'),)),),
            "is not a usable cookie name",
        ),
        (
            document.Listener(HTTP, 80, HTTP, 8000, policy_names=("p",)),
            (document.Policy("p", "SSLNegotiationPolicyType"),),
            "cannot be applied here",
        ),
    ],
)
def test_policies_that_cannot_be_applied_hold_back_their_listener(
    make_document: Make, listener: document.Listener, policies: tuple[document.Policy, ...], reason: str
) -> None:
    good = document.Listener(HTTP, 81, HTTP, 8000)
    result = planned(make_document(listeners=(listener, good), policies=policies))
    assert result.model.ports == {81}
    ((port, said),) = [(problem.port, problem.reason) for problem in result.problems]
    assert port == 80
    assert reason in said


def test_proxy_protocol_reaches_tcp_listeners_of_the_instance_port_only(make_document: Make) -> None:
    listeners = (
        document.Listener(TCP, 80, TCP, 8000),
        document.Listener(TCP, 81, TCP, 8001),
        document.Listener(HTTP, 82, HTTP, 8000),
        document.Listener(SSL, 83, TCP, 8000, certificate_arn="arn"),
    )
    policies = (document.Policy("pp", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),)),)
    backend_policies = (document.BackendServerPolicies(8000, ("pp",)),)
    wanted = make_document(listeners=listeners, policies=policies, backend_policies=backend_policies)
    result = plan.plan(wanted, ADDRESS, everyone, lambda arn, port: tls.Usable(model.Certificate("ab" * 32, "AB" * 20)))
    proxied = {one.port: one.proxy_protocol for one in result.model.listeners}
    assert proxied == {80: True, 81: False, 82: False, 83: True}


def test_backend_authentication_is_never_silently_skipped(make_document: Make) -> None:
    listeners = (document.Listener(HTTP, 80, HTTPS, 8443), document.Listener(HTTP, 81, HTTP, 8443))
    policies = (document.Policy("auth", "BackendServerAuthenticationPolicyType"),)
    backend_policies = (document.BackendServerPolicies(8443, ("auth",)),)
    result = planned(make_document(listeners=listeners, policies=policies, backend_policies=backend_policies))
    assert result.model.ports == {81}
    assert "names no public key" in result.problems[0].reason


def test_a_port_is_served_once(make_document: Make) -> None:
    twice = (document.Listener(HTTP, 80, HTTP, 8000), document.Listener(TCP, 80, TCP, 9000))
    result = planned(make_document(listeners=twice))
    assert [one.mode for one in result.model.listeners] == [model.Mode.HTTP]
    assert [problem.port for problem in result.problems] == [80]


def test_an_instance_that_cannot_be_represented_is_left_out_and_named(make_document: Make) -> None:
    hostile = document.BackendInstance("i-1 weight 256\n", "10.0.0.3")
    nowhere = document.BackendInstance("i-00000004", "example.com")
    fine = document.BackendInstance("i-00000001", "10.0.0.1")
    result = planned(make_document(backends=(hostile, nowhere, fine)))
    assert [server.name for server in result.model.listeners[0].servers] == ["i-00000001"]
    assert set(result.excluded) == {hostile.instance_id, nowhere.instance_id}
    assert result.problems == ()


@pytest.mark.parametrize(("asked", "used"), [(0, 1), (60, 60), (4000, 4000), (9999, 4000)])
def test_idle_timeout_is_clamped(make_document: Make, asked: int, used: int) -> None:
    result = planned(make_document(attributes=document.Attributes(idle_timeout_s=asked)))
    assert result.model.idle_timeout_s == used


def test_of_two_kinds_of_stickiness_the_load_balancers_own_wins(make_document: Make) -> None:
    followed = document.Policy("app", "AppCookieStickinessPolicyType", (("CookieName", "SES"),))
    listeners = (
        document.Listener(HTTP, 80, HTTP, 8000, policy_names=("own", "app")),
        document.Listener(HTTP, 81, HTTP, 8000, policy_names=("app", "own")),
        document.Listener(HTTP, 82, HTTP, 8000, policy_names=("app",)),
    )
    result = planned(make_document(listeners=listeners, policies=(sticky("own"), followed)))
    key = plan.stickiness_key(KEY)
    found = [one.stickiness for one in result.model.listeners]
    assert found == [model.Stickiness(key), model.Stickiness(key), model.AppStickiness(key, "SES")]


def test_servers_that_have_not_shown_their_key_get_nothing(make_document: Make) -> None:
    key = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + bytes(32)).decode()
    wanted = make_document(
        listeners=(document.Listener(HTTP, 80, HTTPS, 8443), document.Listener(HTTP, 81, HTTPS, 9443)),
        policies=(
            document.Policy("key", "PublicKeyPolicyType", (("PublicKey", key),)),
            document.Policy("auth", "BackendServerAuthenticationPolicyType", (("PublicKeyPolicyName", "key"),)),
        ),
        backend_policies=(document.BackendServerPolicies(8443, ("auth",)),),
    )
    anchor = model.Anchor("AB" * 20)
    asked = []

    def seen(name: str, port: int, keys: frozenset[str]) -> tuple[model.Anchor, ...] | None:
        asked.append((name, port, len(keys)))
        return (anchor,) if name == "i-00000001" else None

    first, second = plan.plan(wanted, ADDRESS, everyone, identities=seen).model.listeners
    assert sorted(asked) == [("i-00000001", 8443, 1), ("i-00000002", 8443, 1)]
    assert first.anchors == (anchor,)
    assert [server.admin for server in first.servers] == [model.Admin.READY, model.Admin.MAINT]
    assert second.anchors is None
    assert [server.admin for server in second.servers] == [model.Admin.READY, model.Admin.READY]


def test_the_desync_mode_is_that_of_the_document_where_http_is_spoken(make_document: Make) -> None:
    strict = document.Attributes(desync_mitigation=document.DesyncMitigation.STRICTEST)
    assert planned(make_document(attributes=strict)).model.desync is model.Desync.STRICTEST
    only_tcp = make_document(attributes=strict, listeners=(document.Listener(TCP, 80, TCP, 8000),))
    assert planned(only_tcp).model.desync is model.Desync.DEFENSIVE
