"""Many servers that show their keys at one instant (spec/vm-agent-data-plane 3.6)."""

from __future__ import annotations

import asyncio
import datetime
import random
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from elbflow import clock
from elbflow_agent import files, meters
from elbflow_agent.haproxy import der
from elbflow_agent.health import checks, identity, probe, target, tracker

DER = serialization.Encoding.DER
INSTANCES, PORTS = 40, 20


@pytest.fixture(scope="module")
def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begin, begin + datetime.timedelta(days=9))
    return builder.sign(key, hashes.SHA256()).public_bytes(DER)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, certificate: bytes) -> list[int]:
    """How many handshakes were under way at each one's beginning."""
    under_way = list[object]()
    begun = list[int]()

    async def chain(address: str, port: int, introduced: bool) -> list[bytes]:
        under_way.append((address, port))
        begun.append(len(under_way))
        await asyncio.sleep(0)
        under_way.pop()
        return [certificate]

    monkeypatch.setattr(identity, "_chain", chain)
    return begun


async def failing(address: str, what: target.Target, timeout_s: float, time: clock.Clock) -> probe.Verdict:
    """Health checks are another matter."""
    return probe.Verdict.FAILED


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths = list[Path]()
    genuine = files.replace

    async def replace(path: Path, data: bytes) -> None:
        paths.append(path)
        await genuine(path, data)

    monkeypatch.setattr(files, "replace", replace)
    return paths


async def test_all_show_their_keys_some_at_a_time_and_are_written_together(
    tmp_path: Path, certificate: bytes, asked: list[int], written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_PROOFS_AT_ONCE", 8)
    keys = frozenset({der.digest(der.key_of_certificate(certificate))})
    path = tmp_path / "identities.json"
    known = identity.Identities(path, lambda: None)
    subject = checks.Checks(
        time=clock.SystemClock(),
        rng=random.Random(1),
        instruments=meters.Meters(),
        changed=lambda: None,
        probing=failing,
        identities=known,
    )
    instances = {f"i-{number:02}": f"10.0.0.{number}" for number in range(INSTANCES)}
    subject.restore({name: tracker.Health(in_rotation=True) for name in instances})
    subject.configure(None, instances, dict.fromkeys(range(443, 443 + PORTS), keys))
    before = known.as_now()
    await subject.prove(within_s=60.0)
    await subject.aclose()
    everyone = [(name, port) for name in instances for port in range(443, 443 + PORTS)]
    assert (len(asked), max(asked)) == (len(everyone), 8)
    assert all(known.is_known(*each, keys) for each in everyone)
    assert len(written) < len(everyone), "each writes all of them"
    recalled = identity.Identities(path, lambda: None)
    await recalled.recall()
    assert all(recalled.anchors(*each, keys) == known.anchors(*each, keys) for each in everyone)
    # Whoever began to ask before sees what was known then.
    assert before("i-00", 443, keys) is None
