"""The credential string: a VM's credential, on its way from cloud to node (spec/vm-agent-data-plane 7.2).

Six lines of base64. The private key and the token are encrypted with AES-256-GCM under a key that is itself encrypted
to the node's; each with a nonce of its own, which stands before the text, so nodes of the original read it too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from elbflow_agent.certificates.credential import Credential, UnusableCredential

_LINES = 6
_KEY_BYTES, _NONCE_BYTES = 32, 12

Random: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can guess: ``os.urandom``, but for test vectors."""


def sealed(credential: Credential, node: rsa.RSAPublicKey, random: Random) -> str:
    """The cloud's part."""
    key = hashlib.sha256(random(_KEY_BYTES)).digest()
    lines = (
        credential.iam,
        credential.certificate,
        _sealed(key, credential.token.encode(), random(_NONCE_BYTES)),
        node.encrypt(key, padding.PKCS1v15()),
        _sealed(key, base64.b64encode(credential.key), random(_NONCE_BYTES)),
        credential.cloud,
    )
    return "\n".join(base64.b64encode(line).decode() for line in lines)


def opened(text: str, node: rsa.RSAPrivateKey) -> Credential:
    """The node's part. Raises :class:`UnusableCredential`, which does not tell what exactly is wrong."""
    try:
        lines = [base64.b64decode(line, validate=True) for line in text.strip().split("\n")]
        if len(lines) != _LINES:
            raise UnusableCredential(f"a credential string has {_LINES} lines, this one {len(lines)}")
        iam, certificate, token, wrapped, private_key, cloud = lines
        key = node.decrypt(wrapped, padding.PKCS1v15())
        return Credential(
            certificate=certificate,
            key=base64.b64decode(_opened(key, private_key), validate=True),
            iam=iam,
            cloud=cloud,
            token=_opened(key, token).decode(),
        )
    except (binascii.Error, ValueError, InvalidTag):
        raise UnusableCredential("the credential string cannot be opened") from None


def _sealed(key: bytes, text: bytes, nonce: bytes) -> bytes:
    return nonce + AESGCM(key).encrypt(nonce, text, None)


def _opened(key: bytes, text: bytes) -> bytes:
    return AESGCM(key).decrypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:], None)
