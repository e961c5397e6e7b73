"""HTTPS and SSL listeners as clients meet them: certificates, policies, rotation, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from cryptography import x509
from tests.integration.agent.conftest import Backend, free_port, kill
from tests.integration.agent.test_servo import KEY, FastClock
from tests.integration.agent.tls_peers import (
    Met,
    Shelf,
    TlsLoad,
    ask,
    bundle,
    certificate,
    client_context,
    ec_key,
    key_text,
    meet,
    rsa_key,
)

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.certificates import private
from elbflow_agent.certificates.model import Bundle, fingerprint
from elbflow_agent.haproxy import check, ciphers, keys, model, pem, place, render, runtime, tls
from elbflow_agent.health import checks, probe, target
from elbflow_agent.servo import Servo, ServoOptions

HTTP, HTTPS, TCP, SSL = document.Protocol.HTTP, document.Protocol.HTTPS, document.Protocol.TCP, document.Protocol.SSL
ONE, TWO = "arn:aws:iam::000000000001:server-certificate/one", "arn:aws:iam::000000000001:server-certificate/two"
MakeServo = Callable[[], Servo]


@pytest.fixture
def source() -> Shelf:
    return Shelf()


@pytest.fixture
def make_servo(
    where: place.Place, binary: str, address: str, source: Shelf, monkeypatch: pytest.MonkeyPatch
) -> MakeServo:
    class FastChecks(checks.Checks):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**{**arguments, "time": FastClock(), "probing": healthy})  # type: ignore[arg-type]

    async def healthy(host: str, what: target.Target, timeout_s: float, _: clock.Clock) -> probe.Verdict:
        return probe.Verdict.PASSED

    monkeypatch.setattr("elbflow_agent.servo.servo.checks.Checks", FastChecks)

    def make() -> Servo:
        return Servo(
            ServoOptions(address, where.directory, binary, KEY, place.Limits(1000, 5), removal_grace_s=2.0),
            time=clock.SystemClock(),
            rng=random.Random(),
            instruments=meters.Meters(),
            certificates=source,
        )

    return make


@pytest.fixture
async def servo(make_servo: MakeServo, where: place.Place) -> AsyncIterator[Servo]:
    async with make_servo() as made:
        yield made
    shutil.rmtree(where.key_directory, ignore_errors=True)


def wanted(
    *listeners: document.Listener, members: tuple[Backend, ...] = (), generation: int = 1, **fields: object
) -> document.LoadBalancerDocument:
    base = document.LoadBalancerDocument(
        KEY,
        generation,
        "local-1a",
        listeners=listeners,
        backends=tuple(document.BackendInstance(each.name, "127.0.0.1") for each in members),
        health_check=document.HealthCheck("TCP:80", 5, 2, 2, 2),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def policy(name: str, *enabled: str, order: bool = True) -> document.Policy:
    switches = (*enabled, *(["Server-Defined-Cipher-Order"] if order else []))
    return document.Policy(name, "SSLNegotiationPolicyType", tuple((each, "true") for each in switches))


async def ready(address: str, port: int) -> None:
    """Wait until the listener has a server in rotation."""
    async with asyncio.timeout(10):
        while (await ask(address, port))[0] != "200":
            await asyncio.sleep(0.02)


def pid(where: place.Place) -> int:
    return int(where.pid_file.read_text())


async def test_an_https_listener(
    servo: Servo, source: Shelf, where: place.Place, address: str, backends: list[Backend]
) -> None:
    port, back = free_port(address), backends[0]
    source.put(bundle(ONE, "one.test"))
    sticky = document.Policy("s", "LBCookieStickinessPolicyType")
    listener = document.Listener(HTTPS, port, HTTP, back.port, ONE, ("s",))
    applied = await servo.apply(wanted(listener, members=(back,), policies=(sticky,)))
    assert applied.problems == ()
    assert await meet(address, port) == Met("one.test", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "http/1.1")
    await ready(address, port)
    _, headers, body = await ask(address, port, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 1\r\n")
    assert body == back.name
    assert "secure" in headers["set-cookie"].lower()
    assert "httponly" in headers["set-cookie"].lower()
    assert "\r\nx-forwarded-proto: https\r\n" in back.seen[-1].lower()
    assert f"\r\nx-forwarded-port: {port}\r\n" in back.seen[-1].lower()
    assert stat.S_IMODE(where.key_directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in where.key_directory.iterdir()} == {0o600}
    assert await asyncio.to_thread(private.is_in_memory, where.key_directory)
    assert not [each for each in where.directory.rglob("*") if each.is_file() and b"PRIVATE KEY" in each.read_bytes()]
    await servo.apply(wanted(generation=2))
    assert [each.name for each in where.key_directory.iterdir() if each.suffix == ".pem"] == []


async def test_an_ssl_listener_passes_bytes_and_offers_no_alpn(
    servo: Servo, source: Shelf, address: str, backends: list[Backend]
) -> None:
    port, back = free_port(address), backends[0]
    source.put(bundle(ONE, "one.test", rsa_key()))
    await servo.apply(wanted(document.Listener(SSL, port, TCP, back.port, ONE), members=(back,)))
    assert await meet(address, port) == Met("one.test", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", None)
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                assert (await ask(address, port))[2] == back.name
                break
            await asyncio.sleep(0.02)
    assert "forwarded" not in back.seen[-1].lower()


def context(version: str, *suites: str) -> ssl.SSLContext:
    made = client_context(oldest=ssl.TLSVersion[version], newest=ssl.TLSVersion[version])
    if suites:
        made.set_ciphers(":".join((*suites, "@SECLEVEL=0")))
    return made


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_policies_on_the_wire(servo: Servo, source: Shelf, address: str) -> None:
    """All versions, orders and exclusions in one HAProxy, a listener for each policy."""
    strong, weak = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA"
    cases = {
        "strict": policy("strict", "Protocol-TLSv1.2", strong, weak),
        "client": policy("client", "Protocol-TLSv1.2", strong, weak, order=False),
        "old": policy("old", "Protocol-SSLv3", "Protocol-TLSv1", "DHE-RSA-AES128-SHA", "RC4-SHA"),
        "gap": policy("gap", "Protocol-TLSv1", "Protocol-TLSv1.2", weak),
        "new": policy("new", "Protocol-TLSv1.2", "Protocol-TLSv1.3", strong),
        "null": policy("null", "Protocol-TLSv1.2", "ADH-AES128-SHA", "PSK-AES128-CBC-SHA", "EXP-RC4-MD5"),
    }
    ports = {name: free_port(address) for name in (*cases, "default")}
    listeners = [
        document.Listener(HTTPS, port, HTTP, 9, ONE, (name,) if name in cases else ()) for name, port in ports.items()
    ]
    source.put(bundle(ONE, "one.test", rsa_key()))
    applied = await servo.apply(wanted(*listeners, policies=tuple(cases.values())))
    assert {each.port for each in applied.problems} == {ports["gap"], ports["null"]}

    async def agreed(name: str, version: str, *suites: str) -> tuple[str, str] | None:
        try:
            met = await meet(address, ports[name], context(version, *suites))
        except (ssl.SSLError, ConnectionError):
            return None
        return met.version, met.cipher

    assert await agreed("strict", "TLSv1_2", weak, strong) == ("TLSv1.2", weak)
    assert await agreed("client", "TLSv1_2", strong, weak) == ("TLSv1.2", strong)
    assert await agreed("client", "TLSv1_2", weak, strong) == ("TLSv1.2", weak)
    assert await agreed("old", "TLSv1") == ("TLSv1", "DHE-RSA-AES128-SHA")
    assert await agreed("gap", "TLSv1_2") == ("TLSv1.2", weak)
    assert await agreed("new", "TLSv1_3") == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert await agreed("null", "TLSv1_2") == ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    assert await agreed("default", "TLSv1") == ("TLSv1", "ECDHE-RSA-AES128-SHA")
    refused = [
        *[("strict", version) for version in ("TLSv1", "TLSv1_1", "TLSv1_3")],
        *[("old", version) for version in ("TLSv1_1", "TLSv1_2", "TLSv1_3")],
        *[("gap", "TLSv1"), ("gap", "TLSv1_1"), ("default", "TLSv1_3")],
    ]
    assert [each for each in refused if await agreed(*each) is not None] == []
    assert await agreed("null", "TLSv1_2", "ADH-AES128-SHA", "PSK-AES128-CBC-SHA") is None


async def test_rotation_by_content_and_by_arn_without_a_reload(
    servo: Servo, source: Shelf, where: place.Place, address: str, backends: list[Backend]
) -> None:
    port, back = free_port(address), backends[0]
    source.put(bundle(ONE, "first"), bundle(TWO, "other", rsa_key()))
    await servo.apply(wanted(document.Listener(HTTPS, port, HTTP, back.port, ONE), members=(back,)))
    await ready(address, port)
    before = pid(where), await worker(where)
    async with TlsLoad(address, port) as load:
        for number in range(5):
            source.put(bundle(ONE, f"renewed-{number}"))
            await until(address, port, f"renewed-{number}")
        await servo.apply(wanted(document.Listener(HTTPS, port, HTTP, back.port, TWO), members=(back,), generation=2))
        assert (await meet(address, port)).name == "other"
    assert set(load.results) == {"200"}
    assert {"CN=first", "CN=renewed-4", "CN=other"} <= set(load.names)
    assert (pid(where), await worker(where)) == before
    text = where.configuration.read_text()
    _, _, content = where.key_file(port).read_bytes().partition(b"\n")
    assert f"# certificate {fingerprint(content)} " in text
    assert x509.load_pem_x509_certificate(content).subject.rfc4514_string() == "CN=other"


async def test_a_policy_and_a_certificate_in_one_document(
    servo: Servo, source: Shelf, where: place.Place, address: str
) -> None:
    """The reload brings both: no client may meet the new key with the old ciphers."""
    port, other = free_port(address), free_port(address)
    source.put(bundle(ONE, "one", rsa_key()), bundle(TWO, "two"))
    rsa_only = policy("rsa", "Protocol-TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
    ec_only = policy("ec", "Protocol-TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    listeners = document.Listener(HTTPS, port, HTTP, 9, ONE, ("rsa",)), document.Listener(HTTPS, other, HTTP, 9, ONE)
    await servo.apply(wanted(*listeners, policies=(rsa_only,)))
    before = await worker(where)
    changed = replace(listeners[0], certificate_arn=TWO, policy_names=("ec",))
    failures: list[str] = []
    stop = asyncio.Event()

    async def keep_meeting() -> None:
        while not stop.is_set():
            try:
                await meet(address, port)
            except OSError as error:
                failures.append(repr(error))

    meeting = asyncio.create_task(keep_meeting())
    applied = await servo.apply(wanted(changed, listeners[1], policies=(ec_only,), generation=2))
    stop.set()
    await meeting
    assert (applied.problems, failures) == ((), [])
    assert await worker(where) != before
    assert (await meet(address, port)) == Met("two", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "http/1.1")
    assert (await meet(address, other)).name == "one"


async def test_what_somebody_else_changed_in_haproxy_is_put_right(
    servo: Servo, source: Shelf, where: place.Place, address: str, backends: list[Backend]
) -> None:
    port, back = free_port(address), backends[0]
    source.put(bundle(ONE, "ours"))
    listener = document.Listener(HTTPS, port, HTTP, back.port, ONE)
    await servo.apply(wanted(listener))
    foreign = await asyncio.to_thread(pem.examine, bundle(TWO, "foreign"))
    worker_ = runtime.Runtime(where.admin_socket)
    await worker_.say(f"set ssl cert {where.key_file(port)}", payload=foreign.pem.decode())
    await worker_.say(f"commit ssl cert {where.key_file(port)}")
    assert (await meet(address, port)).name == "foreign"
    await servo.apply(wanted(listener, members=(back,), generation=2))
    assert (await meet(address, port)).name == "ours"


async def until(address: str, port: int, name: str) -> None:
    async with asyncio.timeout(10):
        while (await meet(address, port)).name != name:
            await asyncio.sleep(0.01)


async def worker(where: place.Place) -> int:
    return (await runtime.Runtime(where.admin_socket).info())[1]


async def test_a_certificate_that_is_not_there_holds_back_its_listener_alone(
    servo: Servo, source: Shelf, address: str
) -> None:
    late, fine, bare = free_port(address), free_port(address), free_port(address)
    source.put(bundle(ONE, "one.test"))
    applied = await servo.apply(
        wanted(
            document.Listener(HTTPS, fine, HTTP, 9, ONE),
            document.Listener(HTTPS, late, HTTP, 9, TWO),
            document.Listener(HTTPS, bare, HTTP, 9),
        )
    )
    assert [(each.port, each.reason) for each in applied.problems] == sorted(
        [(late, f"nobody has {TWO}"), (bare, "the listener has no certificate")]
    )
    assert (await meet(address, fine)).name == "one.test"
    with pytest.raises(ConnectionRefusedError):
        await meet(address, late)
    source.put(bundle(TWO, "two.test"))
    async with asyncio.timeout(10):
        while [each.port for each in servo.statistics().problems] != [bare]:
            await asyncio.sleep(0.01)
    assert (await meet(address, late)).name == "two.test"


async def test_a_plan_takes_a_certificate_that_nobody_has_fetched_to_be_usable(
    servo: Servo, source: Shelf, where: place.Place, address: str
) -> None:
    """It says so, and changes nothing: neither is the certificate fetched, nor a file changed."""
    served, other = sorted(free_port(address) for _ in range(2))
    source.put(bundle(ONE, "one.test"))
    listener = document.Listener(HTTPS, served, HTTP, 9, ONE)
    await servo.apply(wanted(listener))
    before = {path: path.read_bytes() for path in where.directory.glob("*.cfg")}
    moved, added = replace(listener, certificate_arn=TWO), document.Listener(HTTPS, other, HTTP, 9, TWO)
    remark = f"certificate {TWO} is fetched when this comes into force; whether it can be used shows then"
    told = await servo.preview(wanted(moved, generation=2))
    assert [(step.means, step.what) for step in told.steps] == [
        ("runtime", f"listener {served} shows another certificate")
    ]
    assert told.problems == (document.ListenerProblem(served, remark, is_served=True),)
    told = await servo.preview(wanted(listener, added, generation=2))
    assert told.why == (f"listener {other} (http) is added with 0 servers",)
    assert told.problems == (document.ListenerProblem(other, remark, is_served=True),)
    assert {path: path.read_bytes() for path in before if path.name != "candidate.cfg"} == {
        path: text for path, text in before.items() if path.name != "candidate.cfg"
    }
    assert await servo.apply(wanted(listener, generation=2))
    assert servo.statistics().problems == ()


async def test_what_is_unusable_leaves_the_former_one_in_force(servo: Servo, source: Shelf, address: str) -> None:
    port = free_port(address)
    source.put(bundle(ONE, "good"))
    listener = document.Listener(HTTPS, port, HTTP, 9, ONE)
    await servo.apply(wanted(listener))
    stranger = Bundle.of(ONE, certificate("bad", ec_key()) + key_text(ec_key()))
    source.put(stranger)
    again = await servo.apply(wanted(listener, generation=2))
    (problem,) = again.problems
    assert "the private key does not belong to the certificate; the former one is served" in problem.reason
    moved = await servo.apply(wanted(replace(listener, certificate_arn=TWO), generation=3))
    (problem,) = moved.problems
    assert problem.reason == f"nobody has {TWO}; the former one is served"
    assert (await meet(address, port)).name == "good"
    source.put(bundle(TWO, "better"))
    await until(address, port, "better")
    async with asyncio.timeout(10):
        while servo.statistics().problems:
            await asyncio.sleep(0.01)


async def test_restarts_of_agent_and_haproxy_need_nobody_for_the_certificates(
    make_servo: MakeServo, source: Shelf, where: place.Place, address: str
) -> None:
    port = free_port(address)
    listener = document.Listener(HTTPS, port, HTTP, 9, ONE)
    source.put(bundle(ONE, "one.test"))
    async with make_servo() as first:
        await first.apply(wanted(listener))
        before = await worker(where)
    source.bundles.clear()
    async with make_servo() as second:
        assert (await meet(address, port)).name == "one.test"
        assert await worker(where) == before
        applied = await second.apply(wanted(listener, generation=2))
        assert [each.reason for each in applied.problems] == [f"nobody has {ONE}; the former one is served"]
        await kill(pid(where))
        async with asyncio.timeout(10):
            while await gone_or(where, before):
                await asyncio.sleep(0.02)
        assert (await meet(address, port)).name == "one.test"
        source.put(bundle(ONE, "renewed"))
        await until(address, port, "renewed")
        await second.stop_data_plane(0.05)
    assert not where.key_directory.exists()


async def gone_or(where: place.Place, before: int) -> bool:
    try:
        return await worker(where) == before
    except runtime.Unreachable:
        return True


async def test_a_chain_too_long_for_the_runtime_api_takes_a_reload(
    servo: Servo, source: Shelf, where: place.Place, address: str
) -> None:
    port, issuer = free_port(address), ("ca", rsa_key())
    source.put(bundle(ONE, "short"))
    await servo.apply(wanted(document.Listener(HTTPS, port, HTTP, 9, ONE)))
    before = await worker(where)
    key = ec_key()
    chain = b"".join(certificate(f"{number:0200}"[:64], rsa_key(), issuer=issuer) for number in range(20))
    source.put(Bundle.of(ONE, certificate("long", key) + chain + key_text(key)))
    await until(address, port, "long")
    assert await worker(where) != before
    assert (await servo.apply(wanted(document.Listener(HTTPS, port, HTTP, 9, ONE)))).problems == ()


async def test_haproxy_takes_whatever_a_policy_can_offer(where: place.Place, binary: str, address: str) -> None:
    """Every known suite by itself, all together, with both orders and all versions."""
    known = [each for each in ciphers.CANONICAL if each in ciphers.known()]
    versions = [f"Protocol-{each}" for each in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")]
    enabled = [("Protocol-TLSv1.2", each) for each in known] + [(each, *known) for each in versions]
    enabled += [(*versions, *known), (*versions, *known, "Server-Defined-Cipher-Order")]
    material = await asyncio.to_thread(pem.examine, bundle(ONE, "one.test"))
    held = keys.Keys(where)
    held.hold([material])
    listeners = []
    for port, names in enumerate(enabled, 2000):
        offered, remark = tls.negotiated(policy("p", *names, order=False))
        assert remark is None
        mode = model.Mode.HTTP if port % 2 else model.Mode.TCP
        listeners.append(model.Listener(port, mode, tls=offered, certificate=material.certificate))
    wanted_ = model.Model(address, 60, tuple(listeners))
    async with held.staged(wanted_) as apart:
        text = render.render(wanted_, apart, place.Limits(1000, 5))
        where.candidate.write_text(text)
        await check.check(binary, where.candidate)
    assert "-----BEGIN" not in text
    assert not apart.key_directory.exists()
    await held.destroy()
