"""An authority is believed about one server's names alone (spec/vm-agent-data-plane 3.6)."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from elbflow_agent.haproxy import issuing

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
AUTHORITY, OWN, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
NAMELESS = x509.Name([])
HOST, WILD, STRANGER = x509.DNSName("app.internal"), x509.DNSName("*.app.internal"), x509.DNSName("evil.internal")
ADDRESS, ELSEWHERE = (x509.IPAddress(ipaddress.ip_address(text)) for text in ("10.0.0.1", "10.0.0.2"))
LINK, URN = x509.UniformResourceIdentifier("spiffe://domain/app"), x509.UniformResourceIdentifier("urn:uuid:1")
MAIL = x509.RFC822Name("app@app.internal")


def named(name: str, mail: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name(parts + ([x509.NameAttribute(NameOID.EMAIL_ADDRESS, mail)] if mail else []))


def issued(
    subject: x509.Name, names: Sequence[x509.GeneralName] = (), key: ec.EllipticCurvePrivateKey = OWN
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    day, by = datetime.timedelta(days=1), named("authority")
    builder = x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number(), now - day, now + day)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject.rdns)
    return builder.sign(AUTHORITY, hashes.SHA256())


def root() -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    day, name = datetime.timedelta(days=1), named("authority")
    builder = x509.CertificateBuilder(name, name, AUTHORITY.public_key(), 1, now - day, now + day)
    return builder.sign(AUTHORITY, hashes.SHA256()).public_bytes(DER)


def accepts(anchor: Path, shown: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether a client that trusts ``anchor``, as HAProxy does, shakes hands with who shows that certificate."""
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    identity = anchor.with_name("identity")
    identity.write_bytes(shown.public_bytes(PEM) + private)
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(identity)
    client.check_hostname = False
    client.load_verify_locations(anchor)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        (NAMELESS, [HOST]),
        (NAMELESS, [WILD, ADDRESS, LINK, MAIL]),
        (NAMELESS, [URN]),
        (named("app"), []),
        (named("app.internal"), []),
        (named("*.internal"), [LINK]),
        (named("app", "app@app.internal"), [HOST, x509.DirectoryName(named("alias"))]),
        (named("app", "no address"), [HOST, x509.UniformResourceIdentifier("https://[::1]/")]),
        (NAMELESS, [x509.DNSName("node*.app.internal")]),
    ],
)
def test_a_certificate_of_the_same_authority_without_these_names_is_not_accepted(
    subject: x509.Name, names: list[x509.GeneralName], tmp_path: Path
) -> None:
    """One without a subject is bound by nothing that is said about subjects: it once passed, whoever had it."""
    leaf, anchor = issued(subject, names), tmp_path / "anchor"
    anchor.write_text(issuing.anchor_for(leaf.public_bytes(DER), root()).pem)
    assert accepts(anchor, leaf, OWN)
    assert accepts(anchor, issued(subject, names, OTHER), OTHER), "with a new key, until a health check has looked"
    for other in ([STRANGER], [ELSEWHERE]):
        assert not accepts(anchor, issued(NAMELESS, other, OTHER), OTHER)
        assert not accepts(anchor, issued(named("evil"), names, OTHER), OTHER)
    assert not accepts(anchor, issued(named("evil"), [], OTHER), OTHER)


def test_whatever_a_server_shows_is_a_complaint_and_no_defect() -> None:
    """An exception of the library's own kept the instance's health as it was, and the document from being applied."""
    der = issued(named("app")).public_bytes(DER)
    odd = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)
    assert odd != der
    for leaf, issuer in ((odd, root()), (der, odd), (der, b"\x30\x00"), (der, der)):
        with pytest.raises(ValueError, match=r"certificate|parsing"):
            issuing.anchor_for(leaf, issuer)
