"""The host as its VMs' cloud and node controller: what a VM finds on its floppy (spec/vm-agent-data-plane 7.2).

As the cloud it makes the key pair, has IAM certify it for the instance id, and seals both to the node's key. As the
node it opens that and leaves it in the private directory, where it is the VM's floppy. Nothing private leaves the
process but into that file.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import os
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from botocore.credentials import ReadOnlyCredentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from elbflow import clock, signers, turn
from elbflow_agent import files
from elbflow_agent.certificates import calls, credential, dialects, exchange, handover, meters, private

_log = structlog.get_logger(__name__)
RSA_BITS = 2048
FILE = "credential"
_RENEW_AT = 0.8
"""Part of a credential's life after which it gets another one."""
_LOWEST_PRIORITY = 19


class Node:
    """What all VMs of a host share: the way to IAM, and a thread of low priority that makes keys beforehand."""

    def __init__(
        self,
        endpoint: str,
        requests: calls.Calls,
        own: signers.Signer,
        *,
        days: int,
        time: clock.Clock,
        instruments: meters.Meters,
    ) -> None:
        self._endpoint = endpoint
        self._calls = requests
        self._own = own
        self._days = days
        self.clock = time
        self.meters = instruments
        self._key: rsa.RSAPrivateKey | None = None
        self._patient = concurrent.futures.ThreadPoolExecutor(1, "keys", initializer=_be_patient)

    def close(self) -> None:
        """End the thread; keys that nobody waits for are not made any more. Does not wait."""
        self._patient.shutdown(wait=False, cancel_futures=True)

    async def provision(self, instance_id: str, *, patiently: bool) -> str:
        """A new key pair with its delegation certificate, as a credential string for :meth:`open`.

        ``patiently`` takes the time that others leave. Raises what :mod:`calls` and the role raise; cancelled, a
        certificate may have been signed for a key that nobody has.
        """
        key, node = await self._new_key(patiently=patiently), await self._node_key(patiently=patiently)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        form = {
            "Action": "SignCertificate",
            "Version": exchange.API_VERSION,
            "Principal": instance_id,
            "Key": base64.b64encode(public).decode(),
            "Days": str(self._days),
        }
        answer = dialects.fields(await self._signed(form))
        try:
            certificate, iam = answer["Certificate"].encode(), answer["IamCertificate"].encode()
        except KeyError as error:
            raise dialects.NotXml(f"the answer has no {error.args[0]}") from None
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        return handover.sealed(credential.Credential(certificate, pem, iam, iam), node.public_key(), os.urandom)

    async def open(self, text: str) -> credential.Credential:
        """What was sealed to this node. Raises :class:`credential.UnusableCredential`."""
        return handover.opened(text, await self._node_key(patiently=False))

    async def _node_key(self, *, patiently: bool) -> rsa.RSAPrivateKey:
        """The node's own key, which lives as long as the process: nothing sealed to it is kept."""
        if self._key is None:
            made = await self._new_key(patiently=patiently)
            self._key = self._key or made
        return self._key

    async def _new_key(self, *, patiently: bool) -> rsa.RSAPrivateKey:
        threads = self._patient if patiently else None
        return await asyncio.get_running_loop().run_in_executor(threads, _new_key)

    async def _signed(self, form: dict[str, str]) -> bytes:
        keys: ReadOnlyCredentials = await self._own.keys()
        try:
            return await self._calls.post(self._endpoint, "iam", form, keys)
        except calls.Refused:
            self._own.refused()
            raise


class NodeCredentials:
    """The credential of one hosted VM; :class:`elbflow_agent.certificates.client.Credentials`."""

    def __init__(self, node: Node, instance_id: str, directory: Path) -> None:
        self._node = node
        self._instance_id = instance_id
        self._path = directory / FILE
        self._vm: credential.Vm | None = None
        self._is_refused = False
        self._turn = turn.Turn()

    async def get(self, *, patiently: bool = False) -> credential.Vm:
        """The credential, made if there is none that lives for long enough. Raises what :meth:`Node.provision` does."""
        async with self._turn:
            vm = None if self._is_refused else self._vm or await self._kept()
            if vm is None or self._is_old(vm):
                vm = await self._new(vm, patiently=patiently)
                self._is_refused = False
            self._vm = vm
            return vm

    def refused(self) -> bool:
        """Make another one for the next who asks: IAM may have become another, with its store."""
        self._is_refused = True
        return True

    async def _kept(self) -> credential.Vm | None:
        content = await files.read(self._path)
        if content is None:
            return None
        try:
            vm = credential.parsed(credential.read(content))
        except credential.UnusableCredential as error:
            _log.warning("credential_unusable", instance=self._instance_id, reason=str(error))
            return None
        self._node.meters.delegation(self, vm.expires_at)
        return vm

    async def _new(self, former: credential.Vm | None, *, patiently: bool) -> credential.Vm:
        try:
            made = await self._node.open(await self._node.provision(self._instance_id, patiently=patiently))
        except Exception as error:
            if former is None or self._node.clock.now() >= former.expires_at:
                raise
            _log.warning("credential_not_renewed", instance=self._instance_id, reason=repr(error))
            return former
        vm = credential.parsed(made)
        await asyncio.to_thread(private.made, self._path.parent)
        await files.replace(self._path, credential.written(made))
        self._node.meters.delegation(self, vm.expires_at)
        _log.info("credential_made", instance=self._instance_id, anew=former is not None)
        return vm

    def _is_old(self, vm: credential.Vm) -> bool:
        return self._node.clock.now() >= vm.issued_at + _RENEW_AT * (vm.expires_at - vm.issued_at)


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, RSA_BITS)


def _be_patient() -> None:
    """Linux knows priorities of threads."""
    set_priority: Callable[[int, int, int], None] = os.setpriority
    set_priority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
