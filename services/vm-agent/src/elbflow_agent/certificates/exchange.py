"""The exchange with IAM, without its transport: the request a VM signs, the answer it checks and opens (7.4, 7.7).

Version 2 of the exchange (REQ-7.6) rides on the first: a server that does not know it answers as it always did, and
one that does binds its answer to the question. Nobody between can turn the one into the other: the request's own
signature covers all parameters, and a VM whose certificate is of the kind that servers of version 2 issue takes no
answer of version 1, which could be one to another question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from elbflow import errors
from elbflow_agent.certificates.credential import Vm

ACTION = "DownloadServerCertificate"
API_VERSION = "2010-05-08"
VERSION_2 = "2"
SKEW_S = 5.0
"""How far our clock may be ahead of the server's: a time in the past is taken, one in the future is not (REQ-7.5)."""

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_KEY_BYTES, _IV_BYTES, _NONCE_BYTES = 32, 16, 12


class BadAnswer(errors.Permanent):
    """The answer is not what was asked for, not from IAM, or cannot be opened."""


class NotFromIam(BadAnswer):
    """The answer is not signed by the IAM that the VM knows."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; ``nonce`` is None for version 1 alone."""

    arn: str
    at: float
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of an answer as they came."""

    arn: str
    server_certificate: str
    server_pk: str = field(repr=False)
    signature: str = ""
    version: str = ""


def parameters(question: Question, vm: Vm) -> dict[str, str]:
    """The form of the request (7.4)."""
    timestamp = datetime.fromtimestamp(int(question.at - SKEW_S), UTC).strftime(_FORMAT)
    signed = f"{question.arn}&{timestamp}"
    form = {
        "Action": ACTION,
        "Version": API_VERSION,
        "CertificateArn": question.arn,
        "DelegationCertificate": base64.b64encode(vm.credential.certificate).decode(),
        "AuthSignature": vm.credential.token,
        "Timestamp": timestamp,
        "Signature": _signature(vm, signed),
    }
    if question.nonce is None:
        return form
    bound = _signature(vm, f"{signed}&{question.nonce}")
    return {**form, "ExchangeVersion": VERSION_2, "Nonce": question.nonce, "BoundSignature": bound}


def opened(answer: Answer, question: Question, vm: Vm) -> bytes:
    """Leaf, chain and private key as PEM, after all checks of 7.7. Raises :class:`BadAnswer`, which quotes nothing."""
    if answer.arn.strip() != question.arn:
        raise BadAnswer("the answer is about another certificate")
    if answer.version not in ("", VERSION_2) or (answer.version and question.nonce is None):
        raise BadAnswer("the answer is of a version that was not asked for")
    bound = f"&{question.arn}&{question.nonce}&{VERSION_2}" if answer.version else ""
    _check_origin(answer, bound, vm)
    if vm.speaks_2 and question.nonce is not None and not answer.version:
        # IAM issued the VM's certificate for version 2, so this is an answer to another question.
        raise BadAnswer("the answer is of version 1, which this VM's IAM does not speak")
    certificates = _decoded(answer.server_certificate)
    parts = answer.server_pk.strip("\n").split("\n")
    if certificates is None or len(parts) != 2:
        raise BadAnswer("the answer is malformed")
    wrapped, sealed = _decoded(parts[0]), _decoded(parts[1])
    # One complaint for all that can go wrong from here on: what exactly did is nobody's business (REQ-7.2).
    private_key = None
    if wrapped is not None and sealed is not None:
        private_key = _opened_2(wrapped, sealed, bound, vm) if answer.version else _opened_1(wrapped, sealed, vm)
    if private_key is None:
        raise BadAnswer("the private key cannot be opened")
    _check_pair(certificates, private_key)
    return certificates.strip() + b"\n" + private_key.strip() + b"\n"


def leaf(pem: bytes) -> x509.Certificate:
    """The first certificate of a bundle. Raises :class:`BadAnswer`."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion):
        raise BadAnswer("the server certificate cannot be read") from None


def _signature(vm: Vm, text: str) -> str:
    return base64.b64encode(vm.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def _check_origin(answer: Answer, bound: str, vm: Vm) -> None:
    signed = f"{answer.server_certificate}&{answer.server_pk}{bound}".encode()
    try:
        vm.iam.verify(_decoded(answer.signature) or b"", signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise NotFromIam("the answer is not signed by IAM") from None


def _opened_1(wrapped: bytes, sealed: bytes, vm: Vm) -> bytes | None:
    """RSA PKCS#1 v1.5 and AES-256-CBC. With a key that cannot be opened all goes on, to the same end."""
    iv, body = sealed[:_IV_BYTES], sealed[_IV_BYTES:]
    try:
        key = vm.key.decrypt(wrapped, padding.PKCS1v15())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        key = hashlib.sha256(wrapped).digest()
    try:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        padded = decryptor.update(body) + decryptor.finalize()
        unpadder = PKCS7(algorithms.AES.block_size).unpadder()
        return base64.b64decode(unpadder.update(padded) + unpadder.finalize(), validate=True)
    except ValueError:
        return None


def _opened_2(wrapped: bytes, sealed: bytes, bound: str, vm: Vm) -> bytes | None:
    """RSA-OAEP with SHA-256 and AES-256-GCM."""
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    try:
        key = vm.key.decrypt(wrapped, oaep)
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound.encode())
    except (ValueError, InvalidTag):
        return None


def _check_pair(certificates: bytes, private_key: bytes) -> None:
    """The key must be the leaf's (REQ-7.3)."""
    try:
        # As in pem.check of the uploading side: the library's own check looks for primes, and takes its time.
        key = serialization.load_pem_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
        public, certified = _encoded(key.public_key()), _encoded(leaf(certificates).public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadAnswer("the private key cannot be read") from None
    if public != certified:
        raise BadAnswer("the private key is not that of the certificate")


def _encoded(key: object) -> bytes:
    encode = getattr(key, "public_bytes", None)
    if encode is None:
        raise UnsupportedAlgorithm("no public key")
    encoded = encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(encoded, bytes)
    return encoded


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
