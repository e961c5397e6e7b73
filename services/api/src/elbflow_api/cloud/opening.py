"""The cloud that the settings choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from elbflow import clock as clocks
from elbflow import errors, store, tasks
from elbflow_api import metrics
from elbflow_api import settings as own
from elbflow_api.cloud import aws, base, calls, local

log = structlog.get_logger()

_CONNECTIONS = 32
_CONNECT_S = 3.0


class CloudNotUsable(errors.Permanent):
    """The settings of the cloud cannot be used."""


@asynccontextmanager
async def opened(
    settings: own.ApiSettings,
    db: store.Store,
    *,
    clock: clocks.Clock,
    background: tasks.Supervisor,
    meters: metrics.Meters,
) -> AsyncIterator[base.Cloud]:
    """The cloud until the block ends. Opening asks it nothing; raises :class:`CloudNotUsable`.

    Credentials come from aiobotocore's own chain, which finds them here and renews them.
    """
    if settings.cloud == "local":
        yield local.LocalCloud.of(db, settings)
        return
    async with AsyncExitStack() as stack:
        session = await _session(settings.cloud_profile)

        async def service(name: str, shown: str, endpoint: str | None) -> calls.Service:
            client = await stack.enter_async_context(_client(session, name, endpoint, settings.cloud_region_name))
            return calls.Service(client, shown, clock=clock, told=meters.asked)

        try:
            ec2 = await service("ec2", "EC2", settings.ec2_endpoint)
            s3 = await service("s3", "S3", settings.s3_endpoint)
            iam = await service("iam", "IAM", settings.iam_endpoint) if settings.cloud_certificates == "iam" else None
            keys = await session.get_credentials()
        except (BotoCoreError, ValueError) as error:
            raise CloudNotUsable(f"the cloud's settings cannot be used: {error}") from error
        if keys is None:
            raise CloudNotUsable("no AWS credentials for the cloud in the environment, the profile or the host")
        log.info("cloud_opened", region=settings.cloud_region_name, certificates=settings.cloud_certificates)
        home = settings.cloud_region_name if settings.s3_endpoint is None else ""
        yield aws.AwsCloud(ec2, s3, iam, home=home, clock=clock, background=background)


async def _session(profile: str | None) -> AioSession:
    """A session whose files are read, in a thread, for that blocks."""

    def made() -> AioSession:
        session = AioSession(profile=profile)
        for service in ("ec2", "s3", "iam"):
            session.warm_up_loader_caches(service)
        session.get_scoped_config()
        return session

    try:
        return await asyncio.to_thread(made)
    except BotoCoreError as error:
        raise CloudNotUsable(f"the cloud's settings cannot be used: {error}") from error


def _client(session: AioSession, name: str, endpoint: str | None, region: str) -> AbstractAsyncContextManager[Any]:
    """A client that sends every call once: repeating is :class:`calls.Service`'s."""
    config = AioConfig(
        connect_timeout=_CONNECT_S,
        read_timeout=calls.TRY_S,
        max_pool_connections=_CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        connector_args={"keepalive_timeout": 30},
        s3={"addressing_style": "path"} if endpoint is not None else None,
    )
    client: AbstractAsyncContextManager[Any] = session.create_client(
        name, region_name=region, endpoint_url=endpoint, config=config
    )
    return client
