"""The exchange put together: one HTTP session for a process, one source of certificates for each VM."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
from prometheus_client import CollectorRegistry

from elbflow import clock, signers
from elbflow_agent import trust
from elbflow_agent.certificates import calls, meters, private, store
from elbflow_agent.settings import VmSettings

if TYPE_CHECKING:
    from elbflow_agent.certificates import client

_CONNECTIONS = 8
"""A host with hundreds of VMs must not fall upon IAM with all of them at once."""

Credentials: TypeAlias = Callable[[], "client.Credentials"]
"""Makes them when they are first needed: they bring a library of 10 MB, and most load balancers have no certificate."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What all VMs of a process share. ``own`` is whoever the process itself is for AWS."""

    endpoint: str
    calls: calls.Calls
    own: signers.Signer
    time: clock.Clock
    rng: random.Random
    instruments: meters.Meters

    def certificates(self, credentials: Credentials, role: signers.Signer) -> store.Certificates:
        """A source for one VM, which signs with the keys of ``role``. Enter it."""
        made: list[client.Client] = []

        async def download(arn: str) -> store.Downloaded:
            if not made:
                from elbflow_agent.certificates import client

                made.append(client.Client(self.endpoint, self.calls, credentials(), role, self.time))
            return await made[0].download(arn)

        return store.Certificates(download, time=self.time, rng=self.rng, instruments=self.instruments)


@dataclass(frozen=True, slots=True)
class VmCertificates:
    """What the servo of a VM needs for TLS."""

    source: store.Certificates
    key_directory: Path


@contextlib.asynccontextmanager
async def of_vm(
    settings: VmSettings, registry: CollectorRegistry, time: clock.Clock
) -> AsyncIterator[VmCertificates | None]:
    """The certificates of one VM by its settings, with the credential that its cloud attached; None without them.

    Raises :class:`private.NotPrivate`.
    """
    endpoint, path = settings.agent_iam_endpoint, settings.agent_credential_file
    if endpoint is None or path is None:
        yield None
        return
    directory = await asyncio.to_thread(private.directory, settings.agent_run_dir, settings.agent_keys_dir)
    instruments = meters.Meters(registry)
    rng = random.Random()  # noqa: S311  # spreads refreshes, guards nothing

    def credentials() -> client.Credentials:
        from elbflow_agent.certificates import sources

        return sources.CredentialFile(path, instruments)

    async with (
        exchange(endpoint, settings.swf_region, time=time, rng=rng, instruments=instruments) as opened,
        opened.certificates(credentials, opened.own) as source,
    ):
        yield VmCertificates(source, directory / settings.agent_instance_id / "listeners")


@contextlib.asynccontextmanager
async def exchange(
    endpoint: str, region: str, *, time: clock.Clock, rng: random.Random, instruments: meters.Meters, sts: str = ""
) -> AsyncIterator[Exchange]:
    """The exchange with the IAM at ``endpoint``, a URL with its path, until the block ends.

    ``sts`` is the URL of another service that its calls go to.
    """
    context = await asyncio.to_thread(trust.context, endpoint, sts)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield Exchange(endpoint, calls.Calls(session, region), signers.OwnKeys(time), time, rng, instruments)
