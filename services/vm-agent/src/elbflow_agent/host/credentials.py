"""Certificates for the VMs of a host, which is their cloud: their roles, their keys, their private directories."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from elbflow import clock, errors
from elbflow.contract import names
from elbflow_agent.certificates import meters, opening, private, roles, store
from elbflow_agent.host.records import VmRecord
from elbflow_agent.settings import HostSettings

if TYPE_CHECKING:
    from elbflow_agent.host.node import NodeCredentials

_log = structlog.get_logger(__name__)


class VmExchange:
    """One VM's source of certificates and its private directory; an async context manager.

    While it is entered its credential is made, if there is none, before anybody asks.
    """

    def __init__(
        self, source: store.Certificates, directory: Path, prepare: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self.source = source
        self._directory = directory
        self._prepare = prepare
        self._beforehand: asyncio.Task[None] | None = None

    @property
    def key_directory(self) -> Path:
        """Where HAProxy reads what listeners serve."""
        return self._directory / "listeners"

    async def __aenter__(self) -> VmExchange:
        await self.source.__aenter__()
        self._beforehand = asyncio.create_task(self._prepare(), name=f"credential-{self._directory.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beforehand is not None:
            self._beforehand.cancel()
            await asyncio.gather(self._beforehand, return_exceptions=True)
        await self.source.__aexit__(kind, error, trace)

    async def forget(self) -> None:
        """Remove the keys: the VM is no more."""
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)


class HostExchange:
    """What a host's VMs have of the exchange. ``keys_dir`` holds a private directory for each of them."""

    def __init__(
        self, exchange: opening.Exchange, sts_endpoint: str, system_account: str, keys_dir: Path, *, days: int
    ) -> None:
        from elbflow_agent.host import node  # brings a library of 10 MB, which hosts without IAM never need

        self._exchange = exchange
        self._sts_endpoint = sts_endpoint
        self._system_account = system_account
        self._keys_dir = keys_dir
        self._node = node.Node(
            exchange.endpoint,
            exchange.calls,
            exchange.own,
            days=days,
            time=exchange.time,
            instruments=exchange.instruments,
        )
        self._credentials = node.NodeCredentials
        self._one_at_a_time = asyncio.Semaphore(1)

    def close(self) -> None:
        """Give up what was begun beforehand."""
        self._node.close()

    def of(self, record: VmRecord) -> VmExchange:
        """The part of one VM, to be entered."""
        directory = self._keys_dir / record.name
        credentials = self._credentials(self._node, record.instance_id, directory)
        role = roles.AssumedRole(
            names.role_arn(self._system_account, names.role_name(record.key)),
            record.instance_id,
            self._exchange.own,
            self._exchange.calls,
            self._sts_endpoint,
            self._exchange.time,
        )
        source = self._exchange.certificates(lambda: credentials, role)
        return VmExchange(source, directory, lambda: self._prepare(credentials))

    async def _prepare(self, credentials: NodeCredentials) -> None:
        async with self._one_at_a_time:
            try:
                await credentials.get(patiently=True)
            except (errors.ElbflowError, OSError) as error:
                # IAM may come later than we; whoever needs the credential asks again.
                _log.debug("credential_not_made_beforehand", reason=str(error))


@contextlib.asynccontextmanager
async def opened(
    settings: HostSettings, registry: CollectorRegistry, time: clock.Clock
) -> AsyncIterator[HostExchange | None]:
    """The exchange of a host by its settings; None when they do not say where IAM and STS are.

    Raises :class:`private.NotPrivate`.
    """
    iam, sts = settings.agent_iam_endpoint, settings.agent_sts_endpoint
    if iam is None or sts is None:
        yield None
        return
    keys_dir = await asyncio.to_thread(private.directory, settings.agent_run_dir, settings.agent_keys_dir)
    if settings.agent_keys_dir is None:  # one that was chosen may have other hosts' keys, and other things
        await asyncio.to_thread(_forget_gone, keys_dir, settings.agent_run_dir)
    rng = random.Random()  # noqa: S311  # spreads refreshes, guards nothing
    instruments = meters.Meters(registry)
    async with opening.exchange(
        iam, settings.swf_region, time=time, rng=rng, instruments=instruments, sts=sts
    ) as shared:
        made = HostExchange(shared, sts, settings.agent_system_account, keys_dir, days=settings.agent_delegation_days)
        try:
            yield made
        finally:
            made.close()
            with contextlib.suppress(OSError):  # VMs that go on serving have their keys in it
                await asyncio.to_thread(keys_dir.rmdir)


def _forget_gone(keys_dir: Path, run_dir: Path) -> None:
    """Remove the keys of VMs that are not in ``run_dir`` any more: shared memory outlives a removed directory."""
    for path in keys_dir.iterdir():
        if path.is_dir() and not (run_dir / path.name).exists():
            _log.warning("keys_without_a_vm_removed", instance=path.name)
            shutil.rmtree(path)
