"""Writes ``vector.json``: one exchange from the credential string to the bundle, with keys made for it alone.

``python -m tests.unit.agent.certificates.record_vector`` makes another one. RSA encryption is random by itself, so
what is encrypted is recorded; all else follows from the keys, the clock and the bytes that stand for random ones.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.unit.api.iam.conftest import Issued, issue

from elbflow_agent.certificates import credential, exchange, handover
from elbflow_api.iam import authority, dialect, wrapping
from elbflow_api.iam.operations import DOWNLOAD, OPERATIONS
from elbflow_api.query import response

FILE = Path(__file__).with_name("vector.json")
NOW = 1_780_000_000.0
VM = "i-0123456789abcdef0"
ARN = "arn:aws:iam::123456789012:server-certificate/shop/www"
NONCE = "bm9uY2Utb2YtdGhlLXZlY3Rvcg"
REQUEST_ID = "8a1f3f4e-0000-4000-8000-000000000000"


def counted() -> Callable[[int], bytes]:
    """Bytes that stand for random ones, never the same ones twice."""
    given = 0

    def some(count: int) -> bytes:
        nonlocal given
        given += count
        return bytes((given - count + index) % 256 for index in range(count))

    return some


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def answer(iam: authority.Authority, vm: credential.Vm, www: Issued, chain: Issued, version: str) -> dict[str, Any]:
    """What the server answers, as its action builds it."""
    body = base64.b64encode(f"{www.pem.strip()}\n{chain.pem.strip()}".encode()).decode()
    bound = f"&{ARN}&{NONCE}&2" if version else ""
    wrap = partial(wrapping.wrapped_v2, bound_to=bound.encode()) if version else wrapping.wrapped
    wrapped = wrap(www.key_pem().encode(), vm.key.public_key(), random=counted())
    signature = iam.sign(f"{body}&{wrapped}{bound}")
    found = {"CertificateArn": ARN, "ServerCertificate": body, "ServerPk": wrapped, "Signature": signature}
    return found | ({"ExchangeVersion": version} if version else {})


def vector() -> dict[str, Any]:
    iam = authority.create(NOW)
    node, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    issued = iam.certify(public, VM, 3650, NOW, original=True)
    held = credential.Credential(issued.encode(), private_pem(key), iam.pem.encode(), iam.pem.encode())
    vm = credential.parsed(held)
    begins = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    ends = begins + datetime.timedelta(days=3650)
    chain = issue("intermediate", begins=begins, ends=ends)
    www = issue("www.example.com", chain, begins=begins, ends=ends)
    answers = {version: answer(iam, vm, www, chain, version) for version in ("", "2")}
    operation = OPERATIONS[DOWNLOAD]
    return {
        "node_key": private_pem(node).decode(),
        "credential_string": handover.sealed(held, node.public_key(), counted()),
        "floppy": credential.written(held).decode(),
        "arn": ARN,
        "now": NOW,
        "nonce": NONCE,
        "request": exchange.parameters(exchange.Question(ARN, NOW), vm),
        "request_2": exchange.parameters(exchange.Question(ARN, NOW, NONCE), vm),
        "answer_original": dialect.original(answers[""]).decode(),
        "answer": response.render_result(operation, answers[""], REQUEST_ID).decode(),
        "answer_2": response.render_result(operation, answers["2"], REQUEST_ID).decode(),
        "bundle": f"{www.pem.strip()}\n{chain.pem.strip()}\n{www.key_pem()}",
        "expires_at": x509.load_pem_x509_certificate(www.pem.encode()).not_valid_after_utc.timestamp(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vector(), indent=1) + "\n")
