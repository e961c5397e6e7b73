"""Whether what was uploaded is a certificate with its chain and its private key (AWS IAM's requirements)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from elbflow import rsa_numbers
from elbflow_api import query

SMALLEST_RSA_BITS = 1024
LARGEST_RSA_BITS = 8192
"""Checking a key takes time that grows with the cube of its size."""
LONGEST_CHAIN = 20
CURVES = ("secp256r1", "secp384r1", "secp521r1")

# Nothing is looked at twice: texts of two megabytes may be hostile, and the whole process waits for a match.
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]++)-----(?:[^-]++|-(?!----))*+-----END \1-----")
_BEGIN = "-----BEGIN "
_CERTIFICATE = "CERTIFICATE"
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_BESIDE_KEYS = ("EC PARAMETERS",)

_PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Checked:
    """What was uploaded, found good. ``expires_at`` is in seconds since the epoch."""

    body: str
    chain: str | None
    private_key: bytes = field(repr=False)
    expires_at: float


def check(body: str, private_key: str, chain: str | None, now: float) -> Checked:
    """Check an upload. Takes CPU time: for a thread.

    Raises ``MalformedCertificate`` and ``KeyPairMismatch``; no message quotes anything of the private key.
    """
    certificates = _certificates(body, "certificate")
    if len(certificates) != 1:
        raise _malformed(
            "The certificate body must be one certificate; intermediate certificates belong into the certificate chain."
        )
    certificate = certificates[0]
    key, key_text = _private_key(private_key)
    if _spki(certificate) != _public(key):
        raise query.modelled(
            "KeyPairMismatchException", "The public key of the certificate and the private key do not match.", query.IAM
        )
    _check_validity(certificate, now)
    if chain is not None:
        _check_chain(certificate, _certificates(chain, "certificate chain"))
    return Checked(
        body=body.strip(),
        chain=chain.strip() if chain is not None else None,
        private_key=key_text.encode(),
        expires_at=certificate.not_valid_after_utc.timestamp(),
    )


def _certificates(text: str, what: str) -> list[x509.Certificate]:
    """The certificates in ``text``, which must hold nothing else: what is in it will be shown."""
    blocks = list(_BLOCK.finditer(text))
    if not blocks or text.count(_BEGIN) != len(blocks) or any(block[1] != _CERTIFICATE for block in blocks):
        raise _unreadable(what)
    if len(blocks) > LONGEST_CHAIN:
        raise _malformed(f"The {what} must not have more than {LONGEST_CHAIN} certificates.")
    try:
        return [x509.load_pem_x509_certificate(block[0].encode()) for block in blocks]
    except (ValueError, x509.InvalidVersion):
        raise _unreadable(what) from None


def _private_key(text: str) -> tuple[_PrivateKey, str]:
    """The key and the text of it alone."""
    blocks = [block for block in _BLOCK.finditer(text) if block[1] not in _BESIDE_KEYS]
    if len(blocks) != 1 or text.count(_BEGIN) - len(blocks) > 1:
        raise _unreadable("private key")
    block = blocks[0]
    if block[1] == "ENCRYPTED PRIVATE KEY" or "\nProc-Type: 4,ENCRYPTED" in block[0]:
        raise _malformed("The private key must not be encrypted.")
    if block[1] not in _KEYS:
        raise _unreadable("private key")
    try:
        # The library's own check looks for primes: it stops the whole process for half a second, or for minutes.
        key = serialization.load_pem_private_key(block[0].encode(), None, unsafe_skip_rsa_key_validation=True)
        _check_kind(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unreadable("private key") from None
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    if isinstance(key, rsa.RSAPrivateKey) and not rsa_numbers.are_consistent(key.private_numbers()):
        raise _unreadable("private key")
    return key, f"{block[0]}\n"


def _check_kind(key: object) -> None:
    match key:
        case rsa.RSAPrivateKey() if SMALLEST_RSA_BITS <= key.key_size <= LARGEST_RSA_BITS:
            return
        case ec.EllipticCurvePrivateKey() if key.curve.name in CURVES:
            return
    raise _malformed(
        f"The private key must be an RSA key of {SMALLEST_RSA_BITS} to {LARGEST_RSA_BITS} bits "
        f"or one on a curve of {', '.join(CURVES)}."
    )


def _check_validity(certificate: x509.Certificate, now: float) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    if moment < certificate.not_valid_before_utc:
        raise _malformed("The certificate is not valid yet: its validity begins in the future.")
    if moment > certificate.not_valid_after_utc:
        raise _malformed("The certificate is no longer valid: its validity has ended.")


def _check_chain(certificate: x509.Certificate, chain: list[x509.Certificate]) -> None:
    """Each certificate of the chain must have signed the one before it; the root's own signature does not matter."""
    for index, issuer in enumerate(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise _malformed(
                "Unable to validate certificate chain. The certificate chain must start with the immediate signing "
                "certificate, followed by any intermediaries in order. The index within the chain of the invalid "
                f"certificate is: {index}"
            ) from None
        certificate = issuer


def _spki(certificate: x509.Certificate) -> bytes:
    try:
        return _encoded(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise _unreadable("public key of the certificate") from None


def _public(key: _PrivateKey) -> bytes:
    return _encoded(key.public_key())


def _encoded(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _malformed("The certificate must have an RSA key or one on an elliptic curve.")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _malformed(message: str) -> query.Fault:
    return query.modelled("MalformedCertificateException", message, query.IAM)


def _unreadable(what: str) -> query.Fault:
    return _malformed(f"Unable to parse {what}. Please ensure the {what} is in PEM format.")
