"""Public keys in policies and certificates, servers that are out of service, and what a first success is worth."""

from __future__ import annotations

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from elbflow import clock
from elbflow.contract import document
from elbflow_agent.haproxy import benched, der, diff, model, running
from elbflow_agent.health import tracker

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
READY, MAINT = model.Admin.READY, model.Admin.MAINT


def certified(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, issuer: str = "x") -> x509.Certificate:
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    by = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
    builder = x509.CertificateBuilder(by, name, key.public_key(), 7, begin, begin + datetime.timedelta(days=9))
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_key_is_the_same_in_all_its_forms(kind: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    public = key.public_key()
    spki = public.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    certificate = certified(key)
    forms = [
        public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
        base64.b64encode(spki).decode(),
        base64.encodebytes(spki).decode(),
        certificate.public_bytes(PEM).decode(),
    ]
    if isinstance(public, rsa.RSAPublicKey):
        forms.append(public.public_bytes(PEM, serialization.PublicFormat.PKCS1).decode())
    assert [der.key_of_policy(form) for form in forms] == [spki] * len(forms)
    assert der.key_of_certificate(certificate.public_bytes(DER)) == spki
    assert der.is_self_issued(certificate.public_bytes(DER))
    assert not der.is_self_issued(certified(key, "somebody").public_bytes(DER))


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", "MAA=", "MIIB", base64.b64encode(b"\x30\x84\xff").decode()])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(der.NoKey):
        der.key_of_policy(text)


def test_a_certificate_that_is_cut_off_has_no_key() -> None:
    whole = certified(ec.generate_private_key(ec.SECP256R1())).public_bytes(DER)
    for length in range(0, len(whole), 7):
        with pytest.raises(der.NoKey):
            der.key_of_certificate(whole[:length])


def look(one: benched.Benched, pid: int, before: model.Admin, after: model.Admin, *, is_new: bool = False) -> list[str]:
    """Names of the servers whose sessions end."""
    actual = running.Running("tag", pid, {("be-80", "i-1"): running.RunningServer("10.0.0.1", 80, before)})
    server = model.Server("i-1", "10.0.0.1", 80, after)
    wanted = model.Model("127.0.0.1", listeners=(model.Listener(80, model.Mode.TCP, servers=(server,)),))
    changes = one.look(actual, wanted, 10.0, is_new=is_new)
    assert all(isinstance(change, diff.ShutdownSessions) for change in changes)
    return [change.key[1] for change in changes if isinstance(change, diff.ShutdownSessions)]


async def test_a_server_has_its_time_once() -> None:
    time = clock.ManualClock()
    one = benched.Benched(time)
    assert look(one, 1, READY, READY, is_new=True) == []
    assert look(one, 1, READY, MAINT) == []
    assert one.look_again_s == 10.0
    await time.advance(9.0)
    assert look(one, 1, MAINT, MAINT) == []
    await time.advance(1.0)
    assert look(one, 1, MAINT, MAINT) == ["i-1"]
    assert one.look_again_s is None
    assert look(one, 1, MAINT, MAINT) == []
    # A worker that has just been started has no sessions; one that was found may have.
    assert look(one, 2, MAINT, MAINT, is_new=True) == []
    assert one.look_again_s is None
    assert look(one, 3, MAINT, MAINT) == []
    assert one.look_again_s == 10.0


def test_a_first_success_counts_only_for_the_new() -> None:
    check = document.HealthCheck("TCP:80", healthy_threshold=3, unhealthy_threshold=2)
    new = tracker.Health()
    assert not tracker.advance(new, True, check).in_rotation
    assert tracker.advance(new, True, check, first_success=True).in_rotation
    failed = tracker.advance(tracker.advance(new, False, check), False, check)
    assert not tracker.advance(failed, True, check, first_success=True).in_rotation
