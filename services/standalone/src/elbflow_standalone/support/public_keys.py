"""Whether a text that users call a public key is one."""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.hazmat.primitives import serialization

_PEM = serialization.Encoding.PEM
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def public(text: str) -> str | None:
    """The public key or certificate in ``text``, and nothing else that stood there; None when there is none.

    PEM, or base64 of DER, as policies may have it (spec/vm-agent-data-plane 3.6).
    """
    try:
        data = text.encode() if "-----BEGIN" in text else base64.b64decode("".join(text.split()), validate=True)
    except (UnicodeError, binascii.Error, ValueError):
        return None
    if b"-----BEGIN" in data:
        return _key(data, pem=True) or _certificate(data, pem=True)
    return _key(data, pem=False) or _certificate(data, pem=False)


def _key(data: bytes, *, pem: bool) -> str | None:
    load = serialization.load_pem_public_key if pem else serialization.load_der_public_key
    try:
        return load(data).public_bytes(_PEM, _SPKI).decode()
    except (ValueError, TypeError, OSError):
        return None


def _certificate(data: bytes, *, pem: bool) -> str | None:
    load = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    try:
        return load(data).public_bytes(_PEM).decode()
    except (ValueError, TypeError, OSError):
        return None
