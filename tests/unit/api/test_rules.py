"""What the service accepts, and in which words it refuses the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elbflow import store
from elbflow.contract import document
from elbflow_api import query
from elbflow_api.rules import health_check, health_states, instances, listener_problems, listeners, naming, tags, zones


def code_of(caught: pytest.ExceptionInfo[query.Fault]) -> tuple[str, int]:
    return caught.value.code, caught.value.status


def listener(**given: query.Value) -> query.Params:
    return query.Params({"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000, **given})


@pytest.mark.parametrize("name", ["a", "A1", "web-1", "a" * 32, "internal-web", "0"])
def test_good_names(name: str) -> None:
    assert naming.load_balancer_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "-", "a" * 33, "a_b", "a.b", "web\n", "wéb", "a b", "a/b", "a\x00"])
def test_bad_names(name: str) -> None:
    with pytest.raises(query.Fault) as caught:
        naming.load_balancer_name(name)
    assert code_of(caught) == ("ValidationError", 400)


@pytest.mark.parametrize("name", ["", "p\n", "p\nq", "a b", 'x"', "p" * 129, "ä"])
def test_bad_policy_names(name: str) -> None:
    with pytest.raises(query.Fault) as caught:
        naming.policy_name(name)
    assert code_of(caught) == ("ValidationError", 400)


def test_dns_name() -> None:
    key = document.LoadBalancerKey("000000000001", "Web")
    assert naming.dns_name(key, "lb.example.com") == "Web-000000000001.lb.example.com"


def test_listener_protocols_in_any_case_and_the_back_end_defaults_to_the_front() -> None:
    (read,) = listeners.read([listener(Protocol="tcp")], {22})
    assert read == document.Listener(document.Protocol.TCP, 80, document.Protocol.TCP, 8000)
    (read,) = listeners.read([listener(Protocol="tcp", InstanceProtocol="ssl")], {22})
    assert read.instance_protocol is document.Protocol.SSL


@pytest.mark.parametrize(
    ("front", "back"), [("HTTP", "TCP"), ("HTTP", "SSL"), ("TCP", "HTTP"), ("TCP", "HTTPS"), ("SSL", "HTTP")]
)
def test_layers_are_not_mixed(front: str, back: str) -> None:
    with pytest.raises(query.Fault, match="same layer") as caught:
        listeners.read([listener(Protocol=front, InstanceProtocol=back)], set())
    assert code_of(caught) == ("ValidationError", 400)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Protocol": "UDP"}, "UnsupportedProtocol"),
        ({"Protocol": "TLS"}, "UnsupportedProtocol"),
        ({"InstanceProtocol": "QUIC"}, "UnsupportedProtocol"),
        ({"LoadBalancerPort": 0}, "ValidationError"),
        ({"LoadBalancerPort": 65536}, "ValidationError"),
        ({"LoadBalancerPort": -80}, "ValidationError"),
        ({"LoadBalancerPort": 22}, "ValidationError"),
        ({"InstancePort": 70000}, "ValidationError"),
        ({"Protocol": "HTTPS"}, "ValidationError"),
        ({"Protocol": "SSL", "SSLCertificateId": ""}, "ValidationError"),
    ],
)
def test_impossible_listeners(given: dict[str, query.Value], code: str) -> None:
    with pytest.raises(query.Fault) as caught:
        listeners.read([listener(**given)], {22})
    assert code_of(caught) == (code, 400)


def test_only_encrypted_listeners_keep_a_certificate() -> None:
    (read,) = listeners.read([listener(Protocol="https", SSLCertificateId="arn:x")], set())
    assert read.certificate_arn == "arn:x"
    (read,) = listeners.read([listener(SSLCertificateId="arn:x")], set())
    assert read.certificate_arn is None


def test_back_ends_are_encrypted_on_a_port_for_every_listener_or_for_none() -> None:
    plain, secure = listener(), listener(LoadBalancerPort=81, InstanceProtocol="HTTPS")
    with pytest.raises(query.Fault, match="InstancePort 8000") as caught:
        listeners.read([plain, secure], set())
    assert code_of(caught) == ("InvalidConfigurationRequest", 409)
    assert len(listeners.read([plain, listener(LoadBalancerPort=81, Protocol="TCP")], set())) == 2


def test_the_same_listener_twice_is_one_and_a_port_twice_is_an_error() -> None:
    assert len(listeners.read([listener(), listener()], set())) == 1
    with pytest.raises(query.Fault):
        listeners.read([listener(), listener(InstancePort=1)], set())
    with pytest.raises(query.Fault):
        listeners.read([], set())


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("http:8000/ping", "HTTP:8000/ping"),
        ("HTTPS:0443/", "HTTPS:443/"),
        ("tcp:22", "TCP:22"),
        ("Ssl:65535", "SSL:65535"),
        ("HTTP:80/a?b=c&d=%20#x", "HTTP:80/a?b=c&d=%20#x"),
    ],
)
def test_targets_in_canonical_form(given: str, canonical: str) -> None:
    assert health_check.canonical_target(given) == canonical


@pytest.mark.parametrize(
    "target",
    [
        "",
        "HTTP",
        "HTTP:80",
        "HTTP:80ping",
        "HTTP:0/",
        "HTTP:65536/",
        "HTTP:/x",
        "TCP:80/x",
        "TCP:",
        "TCP:x",
        "TCP:80\n",
        "UDP:80",
        "HTTP:80/a b",
        "HTTP:80/a\r\nHost: evil",
        "HTTP:80/é",
        "HTTP:80/" + "a" * 1024,
        "TCP:٣",
    ],
)
def test_impossible_targets(target: str) -> None:
    with pytest.raises(query.Fault) as caught:
        health_check.canonical_target(target)
    assert code_of(caught) == ("ValidationError", 400)


def test_timeout_must_be_shorter_than_interval() -> None:
    thresholds: dict[str, query.Value] = {"UnhealthyThreshold": 2, "HealthyThreshold": 2}
    given = {**thresholds, "Target": "TCP:80", "Interval": 10, "Timeout": 10}
    with pytest.raises(query.Fault, match="timeout must be less than interval"):
        health_check.read(query.Params(given))
    assert health_check.read(query.Params(given | {"Timeout": 9})) == document.HealthCheck("TCP:80", 10, 9, 2, 2)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("i-0123abcd", "i-0123abcd"),
        ("i-0123456789abcdef0", "i-0123456789abcdef0"),
        ("i-web1", "i-web1"),
        ("127.0.0.2", "127.0.0.2"),
    ],
)
def test_instance_ids(given: str, canonical: str) -> None:
    assert instances.canonical_id(given) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "",
        "i-",
        "i-x_y",
        "i-" + "x" * 41,
        "I-web1",
        "i-0123abcd\n",
        "web1",
        "10.0.0.256",
        "010.0.0.1",
        "fe80::1%x\ny",
        "0.0.0.0",
        "::1",
        "224.0.0.1",
        "255.255.255.255",
        "2001:db8::1",
    ],
)
def test_malformed_instance_ids(given: str) -> None:
    with pytest.raises(query.Fault) as caught:
        instances.canonical_id(given)
    assert code_of(caught) == ("InvalidInstance", 400)


def test_instance_ids_count_once() -> None:
    given = [query.Params({"InstanceId": one}) for one in ("i-0123abcd", "10.0.0.1", "i-0123abcd")]
    assert instances.read_ids(given) == ("i-0123abcd", "10.0.0.1")


def test_tags() -> None:
    one, two = query.Params({"Key": "a", "Value": "1"}), query.Params({"Key": "b"})
    assert tags.read([one, two], 50) == (("a", "1"), ("b", ""))
    with pytest.raises(query.Fault) as caught:
        tags.read([one, one], 50)
    assert code_of(caught) == ("DuplicateTagKeys", 400)
    with pytest.raises(query.Fault) as caught:
        tags.read([one, two], 1)
    assert code_of(caught) == ("TooManyTags", 400)
    with pytest.raises(query.Fault) as caught:
        tags.read([query.Params({"Key": "AWS:x"})], 50)
    assert code_of(caught) == ("InvalidConfigurationRequest", 409)


def test_zones() -> None:
    assert zones.read(["b", "a", "b"], ("a", "b")) == ("b", "a")
    with pytest.raises(query.Fault, match="Invalid Availability Zone: c"):
        zones.read(["a", "c"], ("a", "b"))


def test_an_instance_hears_of_the_listeners_of_its_zones_vms() -> None:
    key = document.LoadBalancerKey("123456789012", "web")
    expired = document.ListenerProblem(443, "certificate c has expired", is_served=True)
    missing = document.ListenerProblem(444, "certificate d has not been fetched yet")
    tcp = document.Protocol.TCP
    lb = store.LoadBalancer(
        *(1, key, "dns", "internet-facing", store.LoadBalancerState.ACTIVE, 1, 0.0),
        listeners=tuple(document.Listener(tcp, port, tcp, port) for port in (443, 444)),
        zones=tuple(store.Zone(name, store.ZoneState.IN_SERVICE, None) for name in "ab"),
        vms=tuple(
            store.Vm(name, name[0], "127.0.0.1", state, 0.0, problems=problems)
            for name, state, problems in (
                ("a-1", store.VmState.IN_SERVICE, (expired, missing, document.ListenerProblem(9, "gone"))),
                ("a-2", store.VmState.IN_SERVICE, (expired,)),
                ("b-1", store.VmState.IN_SERVICE, ()),
                ("b-2", store.VmState.RETIRED, (missing,)),
            )
        ),
    )
    said = (
        "Listener 443: certificate c has expired. Listener 444 is not served: certificate d has not been fetched yet."
    )
    here, there, anywhere = (
        store.Backend(f"i-{zone}", "10.0.0.1", zone, store.BackendState.IN_SERVICE, "N/A", "N/A", 0.0)
        for zone in ("a", "b", None)
    )
    assert listener_problems.concerning(lb, here) == said
    assert listener_problems.concerning(lb, there) == ""
    assert listener_problems.concerning(lb, anywhere) == said
    crossing = replace(lb, attributes=document.Attributes(cross_zone=True))
    assert listener_problems.concerning(crossing, there) == said
    assert listener_problems.of_listener(443, (expired, missing, expired)) == [said.split(" Listener 444")[0]]
    long = replace(lb, vms=(replace(lb.vms[0], problems=(replace(missing, reason="x" * 5000),)),))
    assert len(listener_problems.concerning(long, here)) == 1000
    state = health_states.of(here, said, original=False)
    assert (state.state, state.reason_code, state.description) == (here.state, "N/A", said)
    assert health_states.of(here, original=False).description == "N/A"
