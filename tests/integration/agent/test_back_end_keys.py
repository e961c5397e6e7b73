"""Back-end servers that must show a public key of the policy's: what HAProxy sends to whom (spec/vm-agent 3.6)."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.integration.agent.applications import Application
from tests.integration.agent.conftest import free_port, get
from tests.integration.agent.tls_peers import Key, certificate, ec_key, key_text

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.servo import Servo, ServoOptions

HTTP, HTTPS = document.Protocol.HTTP, document.Protocol.HTTPS
KEY = document.LoadBalancerKey("000000000001", "keys")


def context(directory: Path, *parts: bytes) -> ssl.SSLContext:
    """A server's side with certificate, chain and key."""
    file = directory / f"{random.getrandbits(40):x}.pem"
    file.write_bytes(b"".join(parts))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def public(key: Key) -> str:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


def bare(key: Key) -> str:
    return "".join(public(key).splitlines()[1:-1])


def wanted(
    port: int, app: Application, keys: list[str], *instances: str, generation: int = 1
) -> document.LoadBalancerDocument:
    policies = tuple(
        document.Policy(f"key-{number}", "PublicKeyPolicyType", (("PublicKey", text),))
        for number, text in enumerate(keys)
    )
    names = tuple(("PublicKeyPolicyName", policy.name) for policy in policies)
    policies += (document.Policy("auth", "BackendServerAuthenticationPolicyType", names),)
    return document.LoadBalancerDocument(
        key=KEY,
        generation=generation,
        zone="local-1a",
        listeners=(document.Listener(HTTP, port, HTTPS, app.port),),
        backends=tuple(document.BackendInstance(name, "127.0.0.1") for name in instances),
        health_check=document.HealthCheck(f"TCP:{app.port}", interval_s=1, timeout_s=1, healthy_threshold=2),
        policies=policies,
        backend_policies=(document.BackendServerPolicies(app.port, ("auth",)),),
    )


@pytest.fixture
def servo(where: object, short_dir: Path, address: str, binary: str, instruments: meters.Meters) -> Callable[[], Servo]:
    options = ServoOptions(address, short_dir / "vm", binary)
    return lambda: Servo(options, time=clock.SystemClock(), rng=random.Random(1), instruments=instruments)


async def answer(address: str, port: int, status: str, *, within_s: float = 5.0) -> None:
    """Return when the listener answers with ``status``."""
    async with asyncio.timeout(within_s):
        while (await get(address, port))[0] != status:
            await asyncio.sleep(0.02)


async def test_only_servers_with_a_key_of_the_policy_get_traffic(
    servo: Callable[[], Servo], short_dir: Path, address: str, instruments: meters.Meters
) -> None:
    key, other, port = ec_key(), ec_key(), free_port(address)
    async with Application("self", context=context(short_dir, certificate("app", key), key_text(key))) as app:
        async with servo() as one:
            first = wanted(port, app, [bare(other), public(key)], "i-1")
            applied = await one.apply(first)
            assert applied.problems == ()
            await answer(address, port, "200")
            reloads = sum_of(instruments)
            # A server that joins at run time.
            await one.apply(
                replace(first, generation=2, backends=(*first.backends, document.BackendInstance("i-2", "127.0.0.1")))
            )
            # Another policy: nobody shows that key, so nobody gets anything, from the first request on.
            await one.apply(wanted(port, app, [public(other)], "i-1", generation=3))
            seen = len(app.heads)
            assert (await get(address, port))[0] == "503"
            assert len(app.heads) == seen
            # And back: without waiting for a probe, without a reload.
            await one.apply(replace(first, generation=4))
            await answer(address, port, "200")
            assert sum_of(instruments) == reloads
            # A reload in between changes nothing about that, neither for whom is trusted nor for whom is not.
            for generation, keys, expected in ((5, [public(key)], "200"), (6, [public(other)], "503")):
                idle = document.Attributes(idle_timeout_s=100 + generation)
                await one.apply(replace(wanted(port, app, keys, "i-1", generation=generation), attributes=idle))
                assert (await get(address, port))[0] == expected
            assert sum_of(instruments) > reloads
            await one.apply(replace(first, generation=7))
            await answer(address, port, "200")
        # HAProxy goes on, and the next agent knows whom to trust before it has probed anybody.
        async with servo():
            assert (await get(address, port))[0] == "200"


def sum_of(instruments: meters.Meters) -> float:
    return sum(
        sample.value
        for family in instruments.reloads.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


async def test_a_server_that_shows_another_key_is_taken_out(
    servo: Callable[[], Servo], short_dir: Path, address: str
) -> None:
    key, other, port = ec_key(), ec_key(), free_port(address)
    async with servo() as one:
        async with Application("good", context=context(short_dir, certificate("app", key), key_text(key))) as app:
            await one.apply(wanted(port, app, [public(key)], "i-1"))
            await answer(address, port, "200")
            kept = app.port
        bad = Application("bad", context=context(short_dir, certificate("app", other), key_text(other)), port=kept)
        async with bad:
            for _ in range(20):  # also before any probe has noticed
                assert (await get(address, port))[0] == "503"
                await asyncio.sleep(0.05)
            assert bad.heads == []
            async with asyncio.timeout(5):
                while (report := await one.health("", 0)).instances[0].state != "OutOfService":
                    await asyncio.sleep(0.05)
            assert report.instances[0].instance_id == "i-1"


async def test_a_certificate_from_an_authority(servo: Callable[[], Servo], short_dir: Path, address: str) -> None:
    authority, key, other, port = ec_key(), ec_key(), ec_key(), free_port(address)
    chain = certificate("authority", authority)
    leaf = certificate("app", key, issuer=("authority", authority))
    async with servo() as one:
        async with Application("signed", context=context(short_dir, leaf, chain, key_text(key))) as app:
            await one.apply(wanted(port, app, [public(key)], "i-1"))
            await answer(address, port, "200")
            kept = app.port
        # The same authority vouches for somebody else: no request reaches them.
        stranger = certificate("stranger", other, issuer=("authority", authority))
        impostor = Application("stranger", context=context(short_dir, stranger, chain, key_text(other)), port=kept)
        async with impostor:
            assert (await get(address, port))[0] == "503"
            assert impostor.heads == []
        # The key may have a new certificate.
        renewed = certificate("app", key, issuer=("authority", authority), days=60)
        async with Application("renewed", context=context(short_dir, renewed, chain, key_text(key)), port=kept):
            await answer(address, port, "200", within_s=8)


async def test_a_policy_that_says_nothing_is_reported(servo: Callable[[], Servo], address: str) -> None:
    port = free_port(address)
    app = Application("none", port=1)
    async with servo() as one:
        applied = await one.apply(wanted(port, app, ["bm90IGEga2V5"], "i-1"))
    assert [problem.port for problem in applied.problems] == [port]
    assert "public key" in applied.problems[0].reason
