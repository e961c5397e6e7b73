"""What is refused before HAProxy hears of it, and what the rest is rewritten to."""

from __future__ import annotations

import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.agent.tls_peers import certificate, ec_key, key_text, rsa_key

from elbflow_agent.certificates.model import Bundle, fingerprint
from elbflow_agent.haproxy import pem, tls

ARN = "arn:aws:iam::000000000001:server-certificate/one"
RSA, EC = rsa_key(), ec_key()
LEAF, CHAIN = certificate("leaf", EC, issuer=("ca", RSA)), certificate("ca", RSA)
PKCS8 = serialization.PrivateFormat.PKCS8


def examined(text: bytes) -> str:
    """What is wrong with ``text``."""
    with pytest.raises(tls.Unusable) as refused:
        pem.examine(Bundle.of(ARN, text))
    assert "PRIVATE" not in str(refused.value)
    assert refused.value.__cause__ is None
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        LEAF + CHAIN + key_text(EC),
        key_text(EC, PKCS8) + b"\nBag Attributes\n\n" + CHAIN + b"\r\n\r\n" + LEAF,
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + key_text(EC) + LEAF + CHAIN,
        LEAF + LEAF + CHAIN + key_text(EC),
    ],
)
def test_any_order_and_form_of_key_come_out_as_one_text(text: bytes) -> None:
    found = pem.examine(Bundle.of(ARN, text))
    assert found.pem == LEAF + CHAIN + key_text(EC, PKCS8)
    assert b"\n\n" not in found.pem
    leaf = x509.load_pem_x509_certificate(LEAF)
    assert found.certificate.fingerprint == fingerprint(found.pem)
    assert found.certificate.leaf == leaf.fingerprint(hashes.SHA1()).hex().upper()
    assert found.expires_at == leaf.not_valid_after_utc.timestamp()
    assert "PRIVATE" not in repr(found)
    assert pem.examine(Bundle.of(ARN, found.pem)) == found


def test_an_expired_certificate_is_still_one() -> None:
    key = rsa_key()
    found = pem.examine(Bundle.of(ARN, certificate("old", key, days=-3) + key_text(key)))
    assert found.arn == ARN


def test_what_is_refused() -> None:
    small = rsa.generate_private_key(65537, 1024)
    encrypted = EC.private_bytes(serialization.Encoding.PEM, PKCS8, serialization.BestAvailableEncryption(b"secret"))
    cut = key_text(EC).replace(b"\n", b"\nAAAA", 1)
    assert examined(b"") == "there are 0 private keys instead of one"
    assert examined(LEAF) == "there are 0 private keys instead of one"
    assert examined(LEAF + key_text(EC) * 2) == "there are 2 private keys instead of one"
    assert examined(key_text(EC)).startswith("the certificate cannot be read")
    assert examined(LEAF.replace(b"MII", b"???") + key_text(EC)).startswith("the certificate cannot be read")
    assert examined(LEAF + key_text(ec_key())) == "the private key does not belong to the certificate"
    assert examined(LEAF + encrypted) == "the private key cannot be used (TypeError)"
    assert examined(LEAF + cut) == "the private key cannot be used (ValueError)"
    assert examined(certificate("s", small) + key_text(small)) == "OpenSSL refuses the certificate: ee key too small"
    assert examined(b"x" * 200_000) == "200000 bytes are no certificate"


def test_hostile_text_around_and_in_names_goes_no_further() -> None:
    name = "evil -----END CERTIFICATE-----;shutdown frontend fe-80"
    leaf = certificate(name[:64], EC)
    found = pem.examine(Bundle.of(ARN, b"set ssl cert x <<\n\n\n" + leaf + b"\n\nshow info\n\n" + key_text(EC)))
    assert found.pem == leaf + key_text(EC, PKCS8)


def test_a_certificate_of_an_unknown_version_is_refused_and_no_defect() -> None:
    """In a chain too: with an exception of the library no listener of the load balancer could be changed any more."""
    der = x509.load_pem_x509_certificate(CHAIN).public_bytes(serialization.Encoding.DER)
    odd = ssl.DER_cert_to_PEM_cert(der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)).encode()
    assert examined(LEAF + odd + key_text(EC)).startswith("the certificate cannot be read")
    assert examined(odd + key_text(RSA)).startswith("the certificate cannot be read")


def test_a_text_of_many_beginnings_holds_nobody_up() -> None:
    """Each was looked for its end through all of the rest: 5 s."""
    start = time.thread_time()
    assert examined(b"-----BEGIN PRIVATE KEY-----\n" * 4600) == "there are 0 private keys instead of one"
    assert time.thread_time() - start < 0.5


def test_an_rsa_key_holds_nobody_up() -> None:
    """The library looks for primes without letting go of the interpreter: 50 ms, with 4096 bits 600."""
    text = certificate("long", RSA) + key_text(RSA)
    spent = []
    for _ in range(5):
        start = time.thread_time()
        pem.examine(Bundle.of(ARN, text))
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.02


def test_an_rsa_key_whose_numbers_do_not_belong_together_is_refused() -> None:
    """HAProxy would take it, and no handshake would succeed."""
    numbers = RSA.private_numbers()
    for wrong in ({"dmp1": numbers.dmp1 + 2}, {"iqmp": 1}, {"d": numbers.d + 2}):
        parts = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp", "public_numbers")}
        key = rsa.RSAPrivateNumbers(**(parts | wrong)).private_key(unsafe_skip_rsa_key_validation=True)
        assert examined(certificate("a", RSA) + key_text(key)) == (
            "the private key cannot be used (its numbers do not belong together)"
        )
