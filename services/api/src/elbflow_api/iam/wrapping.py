"""A server certificate's private key on its way to one VM (spec/vm-agent-data-plane 7.6, REQ-7.6)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

IV_BYTES = 16
NONCE_BYTES = 12
SEED_BYTES = 32

Random: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can guess: ``os.urandom``, but for test vectors."""


def wrapped(private_key: bytes, recipient: rsa.RSAPublicKey, random: Random) -> str:
    """The original's form: RSA PKCS#1 v1.5 around the key of AES-256-CBC, two lines of base64."""
    key, iv = hashlib.sha256(random(SEED_BYTES)).digest(), random(IV_BYTES)
    padder = PKCS7(algorithms.AES.block_size).padder()
    padded = padder.update(base64.b64encode(private_key)) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = iv + encryptor.update(padded) + encryptor.finalize()
    return _lines(recipient.encrypt(key, padding.PKCS1v15()), sealed)


def wrapped_v2(private_key: bytes, recipient: rsa.RSAPublicKey, bound_to: bytes, random: Random) -> str:
    """Version 2: RSA-OAEP with SHA-256 around the key of AES-256-GCM, which also protects ``bound_to``."""
    key, nonce = random(SEED_BYTES), random(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, private_key, bound_to)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return _lines(recipient.encrypt(key, oaep), sealed)


def _lines(key: bytes, sealed: bytes) -> str:
    return "\n".join(base64.b64encode(part).decode() for part in (key, sealed))
