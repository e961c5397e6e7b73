"""As much of DER as it takes to find public keys in certificates and policies (spec/vm-agent-data-plane 3.6).

The library that does more takes 13 MB and is needed by few.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import TypeAlias

from elbflow import errors

_SEQUENCE, _INTEGER, _BITS, _OID, _VERSION = 0x30, 0x02, 0x03, 0x06, 0xA0
_ARMOUR = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")
# The AlgorithmIdentifier of rsaEncryption, for keys that come without it.
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")

Item: TypeAlias = tuple[int, bytes, bytes]
"""Tag, content, and the whole with both."""


class NoKey(errors.Permanent):
    """There is no public key in it."""


def digest(key: bytes) -> str:
    """By what keys are compared: SHA-256 of the SubjectPublicKeyInfo, as 64 hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def key_of_policy(text: str) -> bytes:
    """SubjectPublicKeyInfo of a policy's text: PEM or bare base64, of a key or of a certificate; raises NoKey."""
    armoured = _ARMOUR.sub(" ", text[:20_000])
    try:
        data = base64.b64decode("".join(armoured.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoKey("the public key is neither PEM nor base64") from error
    inner = _inside(data)
    match [tag for tag, _, _ in inner]:
        case [0x30, 0x03] if inner[0][1][:1] == bytes([_OID]):
            return data
        case [0x02, 0x02]:
            return _sequence(_RSA + bytes([_BITS]) + _length(len(data) + 1) + b"\0" + data)
        case [0x30, 0x30, 0x03]:
            return key_of_certificate(data)
    raise NoKey("this is no public key in a form that is known")


def key_of_certificate(der: bytes) -> bytes:
    """SubjectPublicKeyInfo of a certificate; raises :class:`NoKey`."""
    return _fields(der)[5][2]


def is_self_issued(der: bytes) -> bool:
    """Whether issuer and subject of a certificate are the same; raises :class:`NoKey`."""
    fields = _fields(der)
    return fields[2][2] == fields[4][2]


def _fields(der: bytes) -> list[Item]:
    """Serial number, algorithm, issuer, validity, subject and key of a certificate, perhaps more."""
    outer = _inside(der)
    fields = list(_items(outer[0][1])) if outer else []
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if [tag for tag, _, _ in fields[:6]] != [_INTEGER, *[_SEQUENCE] * 5]:
        raise NoKey("this is no certificate")
    return fields


def _inside(data: bytes) -> list[Item]:
    items = list(_items(data))
    if len(items) != 1 or items[0][0] != _SEQUENCE:
        raise NoKey("this is no public key")
    return list(_items(items[0][1]))


def _items(data: bytes) -> Iterator[Item]:
    position = 0
    while position < len(data):
        start = position
        if len(data) < start + 2:
            raise NoKey("the encoding is cut off")
        tag, length = data[start], data[start + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            raise NoKey("the encoding is cut off")
        yield tag, data[position : position + length], data[start : position + length]
        position += length


def _sequence(content: bytes) -> bytes:
    return bytes([_SEQUENCE]) + _length(len(content)) + content


def _length(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    encoded = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(encoded)]) + encoded
