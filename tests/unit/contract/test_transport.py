"""Documents in parts."""

from __future__ import annotations

import random
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbflow import flow
from elbflow.contract import activities, document, names, transport, vm_activities

KEY = document.LoadBalancerKey("000000000001", "w" * 32)
SMALL = document.LoadBalancerDocument(KEY, 7, "local-1a")
POLICY_NAME, POLICIES, LISTENERS, INSTANCES = 128, 100, 100, 1000
KEY_CHARACTERS = 50_000


def text(rng: random.Random, length: int) -> str:
    """As hard to compress as the API permits."""
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def largest(rng: random.Random, *, public_keys: int, instance_id: int = 25) -> document.LoadBalancerDocument:
    """Every limit of the API reached at once: policies are public keys and what trusts all of them."""
    keys = [
        document.Policy(text(rng, POLICY_NAME), "PublicKeyPolicyType", (("PublicKey", text(rng, length)),))
        for length in [KEY_CHARACTERS // max(1, public_keys)] * public_keys
    ]
    trusting = [
        document.Policy(
            text(rng, POLICY_NAME),
            "BackendServerAuthenticationPolicyType",
            tuple(("PublicKeyPolicyName", one.name) for one in rng.sample(keys, len(keys))),
        )
        for _ in range(POLICIES - public_keys)
    ]
    listeners = tuple(
        document.Listener(
            document.Protocol.HTTPS,
            port,
            document.Protocol.HTTPS,
            20_000 + port,
            f"arn:aws:iam::{KEY.account}:server-certificate/{text(rng, 510)}/{text(rng, 128)}",
        )
        for port in range(1, LISTENERS + 1)
    )
    return document.LoadBalancerDocument(
        key=KEY,
        generation=10**9,
        zone=text(rng, 20),
        listeners=listeners,
        backends=tuple(
            document.BackendInstance(
                f"i-{text(rng, instance_id - 2)}",
                ".".join(str(rng.randrange(256)) for _ in range(4)),
                rng.random() < 0.5,
            )
            for _ in range(INSTANCES)
        ),
        health_check=document.HealthCheck(f"HTTP:80/{text(rng, 1023)}"),
        policies=(*keys, *trusting),
        backend_policies=tuple(
            document.BackendServerPolicies(
                one.instance_port, tuple(policy.name for policy in rng.sample(trusting, len(trusting)))
            )
            for one in listeners
        ),
        attributes=document.Attributes(
            access_log_enabled=True, access_log_bucket=text(rng, 63), access_log_prefix=text(rng, 512)
        ),
    )


def carried(wanted: document.LoadBalancerDocument) -> document.LoadBalancerDocument | None:
    """What arrives at the VM when each part travels in payloads of its own."""
    assembly = transport.Assembly()
    whole = None
    for part in transport.split(wanted):
        assert whole is None
        result = activities.lookup_document_part.encode_result(part)
        looked_up = activities.lookup_document_part.decode_result(result)
        assert looked_up is not None
        (there,) = vm_activities.set_load_balancer_part.decode_arguments(
            vm_activities.set_load_balancer_part.encode_arguments(looked_up)
        )
        assert len(result) <= 24 * 1024
        whole = assembly.add(there)
    return whole


@pytest.mark.parametrize("public_keys", [0, 1, 20, 34, 50, 70, 99])
def test_the_largest_permitted_document_arrives(public_keys: int) -> None:
    wanted = largest(random.Random(public_keys), public_keys=public_keys)
    assert not transport.fits_alone(wanted)
    assert carried(wanted) == wanted
    assert len(transport.split(wanted)) < transport.MOST_PARTS * 2 / 3


NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=128)
TEXTS = st.text(max_size=200)
PORTS = st.integers(1, 65535)
DOCUMENTS = st.builds(
    document.LoadBalancerDocument,
    key=st.builds(document.LoadBalancerKey, st.from_regex(r"[0-9]{12}", fullmatch=True), NAMES),
    generation=st.integers(0, 2**53),
    zone=NAMES,
    listeners=st.lists(
        st.builds(
            document.Listener,
            st.sampled_from(document.Protocol),
            PORTS,
            st.sampled_from(document.Protocol),
            PORTS,
            st.none() | TEXTS,
            st.lists(NAMES, max_size=3).map(tuple),
        ),
        max_size=20,
    ).map(tuple),
    backends=st.lists(st.builds(document.BackendInstance, NAMES, NAMES, st.booleans()), max_size=50).map(tuple),
    policies=st.lists(
        st.builds(document.Policy, NAMES, NAMES, st.lists(st.tuples(NAMES, TEXTS), max_size=5).map(tuple)), max_size=20
    ).map(tuple),
)


@given(DOCUMENTS)
def test_every_document_survives_the_transport(wanted: document.LoadBalancerDocument) -> None:
    assert carried(wanted) == wanted
    if transport.fits_alone(wanted):
        result = activities.lookup_document.encode_result(wanted)
        assert activities.lookup_document.decode_result(result) == wanted
        given_to_vm = vm_activities.set_load_balancer.encode_arguments(wanted)
        assert vm_activities.set_load_balancer.decode_arguments(given_to_vm) == (wanted,)


def test_what_fits_one_payload_travels_as_ever() -> None:
    assert transport.fits_alone(SMALL)
    assert activities.lookup_document.encode_result(SMALL) == flow.encode(SMALL, document.LoadBalancerDocument)


def test_what_fits_one_payload_alone_fits_as_argument_too() -> None:
    """At the boundary: the largest document that travels alone, and the next larger one."""
    rng = random.Random(5)
    backends = tuple(document.BackendInstance(f"i-{text(rng, 38)}", "10.0.0.1") for _ in range(1000))
    low, high = 0, len(backends)
    while high - low > 1:
        middle = (low + high) // 2
        fits = transport.fits_alone(replace(SMALL, backends=backends[:middle]))
        low, high = (middle, high) if fits else (low, middle)
    wanted = replace(SMALL, backends=backends[:low])
    assert low > 300
    assert len(vm_activities.set_load_balancer.encode_arguments(wanted)) <= 32_768
    assert not transport.fits_alone(replace(SMALL, backends=backends[:high]))


def test_an_announcement_is_told_from_a_document() -> None:
    parcel = transport.split(largest(random.Random(1), public_keys=2))[0].parcel
    for answer in (parcel, SMALL, None):
        assert activities.lookup_document.decode_result(activities.lookup_document.encode_result(answer)) == answer


def test_what_is_too_large_is_refused_and_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = largest(random.Random(2), public_keys=2)
    monkeypatch.setattr(transport, "MOST_PARTS", 2)
    with pytest.raises(transport.TooLarge, match=r"w{32} has a configuration of [0-9]+ bytes"):
        transport.split(wanted)
    with pytest.raises(transport.TooLarge):
        transport.require_transportable(wanted)
    transport.require_transportable(SMALL)


def test_parts_that_are_missing_or_of_another_document_are_found_out() -> None:
    one, other = (transport.split(largest(random.Random(seed), public_keys=2)) for seed in (1, 2))
    assembly = transport.Assembly()
    with pytest.raises(transport.Damaged, match="only 1 parts"):
        assembly.add(one[-1])
    for part in one[:-1]:
        assert assembly.add(part) is None
    assembly.add(other[0])  # The other one is begun, so the first is forgotten.
    with pytest.raises(transport.Damaged):
        assembly.add(one[-1])
    for part in one[:-1]:
        assembly.add(part)
    with pytest.raises(transport.Damaged):
        assembly.add(replace(one[-1], text=one[-1].text[::-1]))
    assert [assembly.add(part) for part in one][-1] is not None


def test_a_part_that_comes_twice_does_no_harm() -> None:
    parts = transport.split(largest(random.Random(1), public_keys=2))
    assembly = transport.Assembly()
    assert [assembly.add(part) for part in (parts[0], *parts)][-1] is not None


def test_a_health_report_of_all_instances_fits_one_payload() -> None:
    """The API permits 25,000 characters of instance ids in all."""
    rng = random.Random(3)
    descriptions = ("", "Instance registration is still in progress.", "Instance has failed at least the Unhealthy")
    for count, length in ((1000, 25), (595, 42)):
        report = document.HealthReport(
            "d" * 24,
            tuple(
                document.InstanceHealth(
                    f"i-{text(rng, length - 2)}", rng.choice(list(document.InstanceState)), rng.choice(descriptions)
                )
                for _ in range(count)
            ),
            tuple(document.ListenerProblem(port, text(rng, 16)) for port in range(1, LISTENERS + 1)),
        )
        assert len(vm_activities.get_instance_status.encode_result(report)) <= 32_768
        given_on = activities.update_instance_status.encode_arguments(KEY, f"i-{'v' * 40}", report)
        assert len(given_on) <= 32_768


def test_what_activities_say_of_a_hundred_listeners_fits_one_payload() -> None:
    rng = random.Random(4)
    policies = tuple(names.certificate_policy_name(KEY, f"x/{text(rng, 128)}") for _ in range(LISTENERS))
    assert len(activities.listener_authorize_certificates.encode_result(policies)) <= 32_768
    assert len(activities.listener_authorize_certificates_rollback.encode_arguments(KEY, policies)) <= 32_768
    problems = tuple(
        document.ListenerProblem(port, f"policy {text(rng, 128)!r}: application cookies are not available yet")
        for port in range(1, LISTENERS + 1)
    )
    applied = document.Applied(1, "h" * 32, problems)
    assert len(vm_activities.set_load_balancer.encode_result(applied)) <= 32_768
    assert len(activities.record_applied.encode_arguments(KEY, f"i-{'v' * 40}", applied)) <= 32_768
