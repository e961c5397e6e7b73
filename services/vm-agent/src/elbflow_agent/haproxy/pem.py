"""Would HAProxy take this certificate? Examined before it hears of it (spec/vm-agent-data-plane REQ-7.3).

What passes is written anew: leaf, chain and key in PEM and nothing else, without the empty line that would end a
payload of the runtime API. Imported when the first certificate comes: the library takes 13 MB.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import TypeAlias

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from elbflow import rsa_numbers
from elbflow_agent.certificates.model import Bundle, fingerprint
from elbflow_agent.haproxy import keys, model, tls

# Nothing is looked at twice: all VMs of the process wait for a match.
_KEY = re.compile(
    rb"-----BEGIN (?P<kind>(?:[A-Z]+ )?)PRIVATE KEY-----(?:[^-]++|-(?!----))*+-----END (?P=kind)PRIVATE KEY-----"
)
_LARGEST = 128 * 1024
_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_Chain: TypeAlias = list[x509.Certificate]


def examine(bundle: Bundle) -> keys.Material:
    """The bundle as HAProxy takes it; raises :class:`tls.Unusable` without a word of the key. Blocking, some 1 ms."""
    if len(bundle.pem) > _LARGEST:
        raise tls.Unusable(f"{len(bundle.pem)} bytes are no certificate")
    key, public = _key(bundle.pem)
    certificates = _certificates(bundle.pem)
    leaf = next((one for one in certificates if _public(one) == public), None)
    if leaf is None:
        raise tls.Unusable("the private key does not belong to the certificate")
    chain = [one for one in certificates if one != leaf]
    text = b"".join(one.public_bytes(_PEM) for one in (leaf, *chain)) + key
    _load(text)
    shown = leaf.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303  # HAProxy shows certificates by it
    expires_at = leaf.not_valid_after_utc.timestamp()
    elliptic = isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    return keys.Material(bundle.arn, text, model.Certificate(fingerprint(text), shown), expires_at, elliptic)


def _key(text: bytes) -> tuple[bytes, bytes]:
    """The one private key, written anew, and its public key."""
    found = [match.group() for match in _KEY.finditer(text)]
    if len(found) != 1:
        raise tls.Unusable(f"there are {len(found)} private keys instead of one")
    try:
        # The library's own check looks for primes: it stops the whole process, with all its VMs, for half a second.
        key = serialization.load_pem_private_key(found[0], password=None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey) and not rsa_numbers.are_consistent(key.private_numbers()):
            raise tls.Unusable("the private key cannot be used (its numbers do not belong together)")
        public = key.public_key().public_bytes(_DER, _SPKI)
        written = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    except (ValueError, TypeError, AttributeError, exceptions.UnsupportedAlgorithm) as error:
        # Without the cause: what libraries say may quote what they read.
        raise tls.Unusable(f"the private key cannot be used ({type(error).__name__})") from None
    return written, public


def _certificates(text: bytes) -> _Chain:
    try:
        return x509.load_pem_x509_certificates(_KEY.sub(b"", text))
    except (ValueError, x509.InvalidVersion) as error:
        raise tls.Unusable(f"the certificate cannot be read: {str(error)[:120]}") from None


def _public(certificate: x509.Certificate) -> bytes | None:
    try:
        key = certificate.public_key()
    except (ValueError, exceptions.UnsupportedAlgorithm):
        return None  # a chain may have keys that the library does not know
    return key.public_bytes(_DER, _SPKI)


def _load(text: bytes) -> None:
    """OpenSSL's own judgement, for one of the length of keys, from memory that no file system shows."""
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(text)
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as error:
            reason = (error.reason or "unknown").lower().replace("_", " ")
            raise tls.Unusable(f"OpenSSL refuses the certificate: {reason}") from None
