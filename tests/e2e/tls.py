"""Clients of a TLS listener, and an owner of certificates."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import ssl
import threading
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from tests.e2e.stacks import RunningStack
from tests.unit.api.iam.conftest import Issued, issue

from elbflow import store
from elbflow_api.iam import keys, master_key
from elbflow_standalone import aws


@dataclass
class Seen:
    """What clients met: answers by the certificate's common name, and what went wrong."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


@contextlib.asynccontextmanager
async def clients(address: str, port: int, authority: Issued, count: int = 4) -> AsyncIterator[Seen]:
    """Clients that trust ``authority`` alone and make a new connection for every request.

    The back end is in the test's own loop, so nobody may wait for them in it.
    """
    seen, over = Seen(), threading.Event()

    def ask() -> None:
        while not over.wait(0.01):
            try:
                name, status = request(address, port, authority)
            except OSError as error:
                seen.failures[repr(error)] += 1
            else:
                seen.answers[name] += 1
                if status != 200:
                    seen.failures[f"HTTP {status}"] += 1

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)


def request(address: str, port: int, authority: Issued) -> tuple[str, int]:
    """One request over a connection of its own: the certificate's common name and the status."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="secure.example.com") as wrapped,
    ):
        shown = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")
        shown.verify_directly_issued_by(authority.certificate)
        wrapped.sendall(b"GET / HTTP/1.1\r\nHost: secure\r\nConnection: close\r\n\r\n")
        with wrapped.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            answer.read()
    return str(shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value), status


def upload(iam: aws.Client, name: str, authority: Issued) -> str:
    """A new certificate whose common name is ``name``; its ARN."""
    issued = issue(name, authority)
    answer = iam.upload_server_certificate(
        ServerCertificateName=name, CertificateBody=issued.pem, PrivateKey=issued.key_pem()
    )
    return str(answer["ServerCertificateMetadata"]["Arn"])


def with_private_keys(*directories: Path) -> list[Path]:
    """Files with a private key; there must be none but in memory."""
    found = set()
    for path in (path for directory in directories for path in directory.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # services write and replace files all the time
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
                found.add(path)
    return sorted(found)


async def replace_content(stack: RunningStack, arn: str, name: str, authority: Issued) -> None:
    """Put another certificate under the same ARN, as other clouds let their users do, and have the VMs look."""
    vault = await asyncio.to_thread(master_key.load_or_create, stack.where.master_key_file)
    issued = issue(name, authority)
    async with store.Store(stack.where.store_url) as db, db.transaction() as tx:
        found = await tx.server_certificates.by_arn(arn)
        assert found is not None
        sealed = keys.seal(vault, issued.key_pem().encode(), found.account, found.certificate_id)
        await tx.server_certificates.update(dataclasses.replace(found, body=issued.pem, encrypted_key=sealed))
    await asyncio.to_thread(_look, stack)


def _look(stack: RunningStack) -> None:
    for vm in json.loads(_agent(stack, "GET", "/vms")):
        _agent(stack, "POST", f"/vms/{vm['instance_id']}/certificates")


def _agent(stack: RunningStack, method: str, path: str) -> bytes:
    headers = {"Authorization": f"Bearer {stack.where.token_file.read_text()}"}
    request = urllib.request.Request(stack.where.admin_url("agent") + path, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return bytes(answer.read())
