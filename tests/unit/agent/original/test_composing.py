"""Which policies make a document whole, which are forgotten, and what waits for them."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.agent.original.conftest import AUTHENTICATION, HTTP, KEYS, POLICIES, STICKY, without

from elbflow.contract import document
from elbflow_agent.haproxy import plan
from elbflow_agent.original import composing

OTHER = document.Policy("other", "LBCookieStickinessPolicyType")


def problems(wanted: document.LoadBalancerDocument) -> dict[int, str]:
    plain = tuple(each for each in wanted.listeners if each.certificate_arn is None)
    found = plan.plan(replace(wanted, listeners=plain), "127.0.0.1", lambda _: True).problems
    return {each.port: each.reason for each in found}


def test_policies_that_came_before_make_it_whole(full: document.LoadBalancerDocument) -> None:
    told = replace(full, policies=())
    assert composing.complete(told, None, [*POLICIES, OTHER]) == full


def test_those_of_the_document_in_force_do_when_none_came(full: document.LoadBalancerDocument) -> None:
    told = replace(full, policies=(), zone="two")
    assert composing.complete(told, replace(full, generation=7), []) == replace(full, generation=7, zone="two")


def test_those_that_came_replace_those_in_force_and_its_own_replace_both(full: document.LoadBalancerDocument) -> None:
    newer, newest = replace(STICKY, attributes=()), replace(STICKY, attributes=(("CookieExpirationPeriod", "1"),))
    told = replace(full, policies=())
    assert newer in composing.complete(told, full, [newer]).policies
    assert newest in composing.complete(replace(told, policies=(newest,)), full, [newer]).policies


def test_what_nothing_refers_to_is_forgotten(full: document.LoadBalancerDocument) -> None:
    told = replace(full, policies=(), backend_policies=())
    assert composing.complete(told, full, [OTHER]).policies == (STICKY,)


def test_a_listener_waits_for_its_policies_and_names_them(full: document.LoadBalancerDocument) -> None:
    for absent in ("sticky", "auth", "key-1"):
        wanted = composing.complete(replace(full, policies=()), None, without(full, absent).policies)
        assert list(problems(wanted)) == [80]
        assert absent in problems(wanted)[80]
        assert not composing.is_whole(wanted)
        assert composing.renewed(wanted, POLICIES) == full
    assert composing.is_whole(full)


def test_a_listener_that_is_served_goes_on_as_it_is_meanwhile(full: document.LoadBalancerDocument) -> None:
    plain = document.Listener(HTTP, 80, HTTP, 8443)
    served = replace(full, listeners=(plain, full.listeners[1]), policies=(), backend_policies=())
    told = replace(full, policies=(), zone="two")
    wanted = composing.complete(told, served, [STICKY, AUTHENTICATION, KEYS[0]])
    assert wanted == replace(served, zone="two")
    assert composing.complete(told, wanted, POLICIES) == replace(full, zone="two")


def test_another_load_balancers_policies_are_not_taken(full: document.LoadBalancerDocument) -> None:
    other = replace(full, key=document.LoadBalancerKey("000000000001", "other"), generation=9)
    wanted = composing.complete(replace(full, policies=()), other, [])
    assert (wanted.policies, wanted.generation, list(problems(wanted))) == ((), 9, [80])


def test_a_document_takes_only_policies_that_it_refers_to(full: document.LoadBalancerDocument) -> None:
    assert composing.renewed(full, [OTHER]) == full
    assert composing.renewed(full, [replace(STICKY, attributes=())]) != full


def test_it_keeps_what_its_back_ends_are_asked_meanwhile(full: document.LoadBalancerDocument) -> None:
    other = replace(AUTHENTICATION, name="auth-2", attributes=(("PublicKeyPolicyName", "key-3"),))
    told = replace(full, policies=(), backend_policies=(document.BackendServerPolicies(8443, ("auth-2",)),))
    assert composing.complete(told, full, [other]) == full
    key = replace(KEYS[0], name="key-3")
    assert composing.complete(told, full, [other, key]) == replace(told, policies=(other, key, STICKY))
