"""What makes a VM known to IAM: its key and delegation certificate, as its cloud hands them over (7.2, 7.3).

On the wire it is the file ``credential`` of a virtual floppy: JSON, each value base64 of a PEM text, padded with spaces
to the width of its slot, because the file is patched in place.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from elbflow import errors

NO_TOKEN = "NULL"  # noqa: S105  # the protocol's word for none
SLOTS: Mapping[str, int] = {
    "instance_pub_key": 1893,
    "iam_pub_key": 1897,
    "iam_token": 1026,
    "euca_pub_key": 2062,
    "instance_pk": 2402,
}
"""Widths of the values on the floppy."""


class UnusableCredential(errors.Permanent):
    """The VM's credential cannot be read, or its parts do not belong together."""


@dataclass(frozen=True, slots=True)
class Credential:
    """PEM texts; ``cloud`` is delivered and unused."""

    certificate: bytes
    key: bytes = field(repr=False)
    iam: bytes
    cloud: bytes = b""
    token: str = NO_TOKEN


@dataclass(frozen=True, slots=True)
class Vm:
    """A credential at work: parsed once, good until ``expires_at`` (seconds since the epoch).

    ``speaks_2`` says that its IAM speaks version 2 of the exchange: only those issue certificates that are no CA's.
    """

    credential: Credential
    principal: str
    key: rsa.RSAPrivateKey = field(repr=False)
    iam: rsa.RSAPublicKey
    issued_at: float
    expires_at: float
    speaks_2: bool


def read(text: bytes) -> Credential:
    """The content of a floppy's file. Raises :class:`UnusableCredential`, which quotes nothing of it."""
    try:
        content = orjson.loads(text.rstrip(b"\0 \r\n\t"))
        values = {name: cast(str, content[name]).strip() for name in SLOTS}
        decoded = {name: base64.b64decode(values[name], validate=True) for name in SLOTS if name != "iam_token"}
    except KeyError as error:
        raise UnusableCredential(f"the credential has no {error.args[0]}") from None
    except (orjson.JSONDecodeError, binascii.Error, AttributeError, TypeError, ValueError):
        raise UnusableCredential("the credential is not the JSON text of a floppy") from None
    return Credential(
        certificate=decoded["instance_pub_key"],
        key=decoded["instance_pk"],
        iam=decoded["iam_pub_key"],
        cloud=decoded["euca_pub_key"],
        token=values["iam_token"],
    )


def written(credential: Credential) -> bytes:
    """The file as on a floppy. Raises :class:`UnusableCredential` for a value that is too long for its slot."""
    values = {
        "instance_pub_key": base64.b64encode(credential.certificate).decode(),
        "iam_pub_key": base64.b64encode(credential.iam).decode(),
        "iam_token": credential.token,
        "euca_pub_key": base64.b64encode(credential.cloud).decode(),
        "instance_pk": base64.b64encode(credential.key).decode(),
    }
    for name, value in values.items():
        if len(value) > SLOTS[name]:
            raise UnusableCredential(f"{name} has {len(value)} characters; a floppy takes {SLOTS[name]}")
    return orjson.dumps({name: value.ljust(SLOTS[name]) for name, value in values.items()})


def parsed(credential: Credential) -> Vm:
    """The credential, if its key belongs to its certificate. Raises :class:`UnusableCredential`."""
    try:
        certificate = x509.load_pem_x509_certificate(credential.certificate)
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        speaks_2 = not _is_ca(certificate)
        # The library's own check of a key stops the whole process for a while; we made it, or our cloud did.
        key = serialization.load_pem_private_key(credential.key, None, unsafe_skip_rsa_key_validation=True)
        own, iam = certificate.public_key(), x509.load_pem_x509_certificate(credential.iam).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        raise UnusableCredential("the credential has a part that cannot be read") from None
    if not (
        isinstance(key, rsa.RSAPrivateKey)
        and isinstance(own, rsa.RSAPublicKey)
        and isinstance(iam, rsa.RSAPublicKey)
        and key.public_key().public_numbers() == own.public_numbers()
    ):
        raise UnusableCredential("the credential's key and certificate do not belong together")
    return Vm(
        credential,
        str(names[0].value) if names else "",
        key,
        iam,
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        speaks_2,
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    """Without a word about it, it may be: then as of the original."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return True
