"""Certificates that the agent makes itself; import it late, the library behind it takes 13 MB (spec/vm-agent 3.6)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import textwrap

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from elbflow_agent.haproxy import constraints, model

_BEGIN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_END = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)
# OpenSSL's X509_CERT_AUX that trusts a certificate for servers: no chain beyond it is asked for.
_TRUSTED_FOR_SERVERS = bytes.fromhex("300c300a06082b06010505070301")


def identity() -> bytes:
    """A new key and its certificate, as PEM, that says nothing about its holder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "load balancer")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, _BEGIN, _END)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def anchor_for(leaf_der: bytes, issuer_der: bytes) -> model.Anchor:
    """What makes HAProxy accept ``leaf_der`` and as little else as can be: its issuer, for these names alone.

    It is a certificate of our own about the issuer's name and key, restricted to the leaf's names and trusted by
    itself. Raises ValueError when ``issuer_der`` did not sign the leaf, or when there is anything odd in them.
    """
    try:
        return _anchor_for(x509.load_der_x509_certificate(leaf_der), x509.load_der_x509_certificate(issuer_der))
    except ValueError:
        raise
    except Exception as error:  # what servers show is up to them, and the library has a dozen words for it
        raise ValueError(f"the certificates cannot be used: {type(error).__name__}") from error


def _anchor_for(leaf: x509.Certificate, issuer: x509.Certificate) -> model.Anchor:
    _require_issued(leaf, issuer)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder(issuer.subject, issuer.issuer, None, issuer.serial_number, _BEGIN, _END)
        .public_key(issuer.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(constraints.of(leaf), critical=True)
    )
    for extension in issuer.extensions:
        if isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, critical=False)
    return _anchor(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def _require_issued(leaf: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        leaf.verify_directly_issued_by(issuer)
    except Exception as error:
        raise ValueError(f"the certificate was not issued by the one that follows it: {error}") from error


def _anchor(der: bytes) -> model.Anchor:
    body = "\n".join(textwrap.wrap(base64.b64encode(der + _TRUSTED_FOR_SERVERS).decode(), 64))
    pem = f"-----BEGIN TRUSTED CERTIFICATE-----\n{body}\n-----END TRUSTED CERTIFICATE-----\n"
    return model.Anchor(hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(), pem)
