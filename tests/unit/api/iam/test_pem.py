"""What may be uploaded as a server certificate."""

from __future__ import annotations

import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.unit.api.iam.conftest import DAY, NOW, Issued, issue

from elbflow_api import query
from elbflow_api.iam import pem

AT = NOW.timestamp()


def refusal(body: str, key: str, chain: str | None = None, at: float = AT) -> query.Fault:
    with pytest.raises(query.Fault) as caught:
        pem.check(body, key, chain, at)
    assert caught.value.status == 400
    return caught.value


def test_a_certificate_with_its_key_and_chain(server: Issued, intermediate: Issued, root: Issued) -> None:
    chain = intermediate.pem + root.pem
    checked = pem.check(f"\n{server.pem}\n", server.key_pem(), chain, AT)
    assert checked.body == server.pem.strip()
    assert checked.chain == chain.strip()
    assert checked.private_key.decode() == server.key_pem()
    assert checked.expires_at == (NOW + 365 * DAY).timestamp()
    assert "PRIVATE KEY" not in repr(checked)


@pytest.mark.parametrize(
    "form",
    [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL],
    ids=["pkcs8", "openssl"],
)
@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_keys_as_tools_write_them(form: serialization.PrivateFormat, kind: str) -> None:
    made: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kind == "rsa":
        made = rsa.generate_private_key(65537, 2048)
    else:
        made = ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP384R1())
    issued = issue("a", key=made)
    checked = pem.check(issued.pem, issued.key_pem(form), None, AT)
    assert checked.chain is None
    assert serialization.load_pem_private_key(checked.private_key, None).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) == made.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_a_key_behind_its_curve_as_openssl_writes_it() -> None:
    text = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey"], check=True, capture_output=True, text=True
    ).stdout
    assert "EC PARAMETERS" in text
    key = serialization.load_pem_private_key(text[text.index("-----BEGIN EC PRIVATE") :].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    checked = pem.check(issue("a", key=key).pem, text, None, AT)
    assert checked.private_key.startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_a_key_of_another_certificate(server: Issued, root: Issued) -> None:
    fault = refusal(server.pem, root.key_pem())
    assert fault.code == "KeyPairMismatch"


def test_chains_out_of_order(server: Issued, intermediate: Issued, root: Issued) -> None:
    assert refusal(server.pem, server.key_pem(), root.pem + intermediate.pem).message.endswith("certificate is: 0")
    fault = refusal(server.pem, server.key_pem(), intermediate.pem + server.pem)
    assert (fault.code, fault.message[-1]) == ("MalformedCertificate", "1")


def test_times_of_validity() -> None:
    gone, coming = issue("gone", ends=NOW - DAY / 2), issue("coming", begins=NOW + DAY)
    assert "no longer valid" in refusal(gone.pem, gone.key_pem()).message
    assert "not valid yet" in refusal(coming.pem, coming.key_pem()).message


def test_several_certificates_in_the_body(server: Issued, root: Issued) -> None:
    assert "one certificate" in refusal(server.pem + root.pem, server.key_pem()).message


@pytest.mark.parametrize("broken", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate(server: Issued, broken: str) -> None:
    assert refusal(broken, server.key_pem()).code == "MalformedCertificate"
    assert refusal(server.pem, server.key_pem(), broken).code == "MalformedCertificate"


def test_private_keys_are_taken_in_no_other_place(server: Issued, root: Issued) -> None:
    """Bodies and chains are shown to everyone who may read certificates."""
    for fault in (
        refusal(server.pem + server.key_pem(), server.key_pem()),
        refusal(server.key_pem() + server.pem, server.key_pem()),
        refusal(server.pem + server.key_pem()[:90], server.key_pem()),
        refusal(server.pem, server.key_pem(), root.pem + server.key_pem()),
    ):
        assert fault.code == "MalformedCertificate"
        assert "PRIVATE" not in fault.message


def test_what_is_no_private_key(server: Issued) -> None:
    secret = server.key_pem().splitlines()[1]
    broken = server.key_pem().replace(secret, secret[::-1])
    for text in ("", "hello", server.pem, broken, server.key_pem() * 2):
        fault = refusal(server.pem, text)
        assert fault.code == "MalformedCertificate"
        assert secret not in fault.message


def test_encrypted_keys(server: Issued) -> None:
    sealed = serialization.BestAvailableEncryption(b"pass")
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        assert "must not be encrypted" in refusal(server.pem, server.key_pem(form, sealed)).message


def test_keys_of_other_kinds(server: Issued) -> None:
    for key in (
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ):
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        assert "must be an RSA key" in refusal(server.pem, text).message


def test_an_endless_key_is_refused_before_it_is_checked(server: Issued) -> None:
    """The numbers are none of a key: checking them would say so, but only after a long time."""
    size = 1 << 16_000
    numbers = rsa.RSAPrivateNumbers(
        size + 1, size + 3, 65537, 1, 1, 1, rsa.RSAPublicNumbers(65537, (size + 1) * (size + 3))
    )
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    assert "8192 bits" in refusal(server.pem, text).message


def test_a_key_whose_numbers_do_not_belong_together(server: Issued) -> None:
    good = rsa.generate_private_key(65537, 1024).private_numbers()
    for change in ("d", "dmp1", "dmq1", "iqmp"):
        numbers = {name: getattr(good, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
        numbers[change] += 2
        key = rsa.RSAPrivateNumbers(**numbers, public_numbers=good.public_numbers).private_key(
            unsafe_skip_rsa_key_validation=True
        )
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        assert "Unable to parse private key" in refusal(server.pem, text).message


def test_the_check_is_quick_enough_for_an_event_loop() -> None:
    """The interpreter is held while a library's check runs, so a thread does not help."""
    issued = issue("a", key=rsa.generate_private_key(65537, 4096))
    began = time.process_time()
    pem.check(issued.pem, issued.key_pem(), None, AT)
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(
    "hostile",
    ["-----BEGIN CERTIFICATE-----\n" * 3_000, "-----BEGIN CERTIFICATE-----" + "-a" * 500_000, "-----BEGIN " * 3_000],
    ids=["beginnings", "dashes", "labels"],
)
def test_texts_without_an_end_take_little_time(server: Issued, hostile: str) -> None:
    began = time.process_time()
    assert refusal(server.pem, server.key_pem(), hostile).code == "MalformedCertificate"
    assert time.process_time() - began < 0.5
