"""One running API: everything it stands on, from its settings to its listening socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import prometheus_client
from aiohttp import web

from elbflow import clock as clocks
from elbflow import service, store, swf, tasks
from elbflow_api import authentication, metrics, probe, server, waiting
from elbflow_api.cloud import opening
from elbflow_api.dependencies import Dependencies
from elbflow_api.iam import desk
from elbflow_api.iam import dispatch as iam
from elbflow_api.rules import security_policies
from elbflow_api.settings import ApiSettings
from elbflow_api.sts import dispatch as sts

_DRAIN_S = 10.0
"""For calls still open at the end. Those that wait for a workflow were released before."""

_RETRIES = swf.RetryPlan(attempts=3, budget_s=5.0)
"""Shorter than the client's own: a call has its deadline, and the outbox keeps what could not be delivered."""


@dataclass(frozen=True, slots=True)
class Api:
    """A running API; ``iam_url`` and ``sts_url`` are None when these are not served."""

    url: str
    endpoint: server.Endpoint
    workflows: waiting.Workflows
    probe: probe.Probe
    iam_url: str | None = None
    sts_url: str | None = None
    beside: tuple[server.Endpoint, ...] = ()

    @property
    def open_calls(self) -> int:
        return self.endpoint.open_calls + sum(other.open_calls for other in self.beside)


def swf_client(
    settings: ApiSettings, registry: prometheus_client.CollectorRegistry
) -> contextlib.AbstractAsyncContextManager[swf.Client]:
    """A client of the SWF endpoint that the settings name. The API never polls."""
    return swf.Client.open(settings.client_settings(), registry=registry, retries=_RETRIES)


@contextlib.asynccontextmanager
async def api(
    settings: ApiSettings,
    workflow_service: swf.Service,
    *,
    registry: prometheus_client.CollectorRegistry | None = None,
    stopping: asyncio.Event | None = None,
    clock: clocks.Clock | None = None,
) -> AsyncIterator[Api]:
    """Serve until the block ends.

    Raises ``store.SchemaOutdated`` when the store was not migrated, ``security_policies.BadSecurityPolicies``,
    ``opening.CloudNotUsable`` and ``master_key.UnusableMasterKey``.

    Set ``stopping`` before leaving the block: calls that wait for a workflow are then answered 503 at once, and the
    client's repetition joins the workflow at another API. The end waits for open calls and for orders on their way;
    orders that are not delivered stay in the store.
    """
    clock = clock or clocks.SystemClock()
    predefined = security_policies.PACKAGED
    if settings.security_policies_file is not None:
        predefined = await asyncio.to_thread(security_policies.load, settings.security_policies_file)
    meters = metrics.Meters(registry)
    async with (
        store.Store(settings.store_url) as db,
        tasks.supervised(_DRAIN_S) as background,
        opening.opened(settings, db, clock=clock, background=background, meters=meters) as cloud,
    ):
        await db.require_current_schema()
        workflows = waiting.Workflows(
            service=workflow_service,
            domain=settings.swf_domain,
            task_list=settings.swf_task_list,
            db=db,
            clock=clock,
            background=background,
            meters=meters,
            stopping=stopping or asyncio.Event(),
        )
        task_list = swf.TaskList(swf.TaskKind.DECISION, settings.swf_domain, settings.swf_task_list)
        asking = probe.Probe(db, workflow_service, task_list, clock)
        room = Dependencies(db, workflows, settings, clock, cloud, predefined)
        endpoint = server.Endpoint(room, authentication.authenticator(settings.auth, db, clock), meters)
        beside = await _beside(room, meters)
        endless = [
            background.start(workflows.deliverer.run(), "outbox-sweep"),
            background.start(asking.run(), "probe"),
        ]
        try:
            async with contextlib.AsyncExitStack() as stack:
                url = await stack.enter_async_context(_listening(endpoint, settings.api_host, settings.api_port))
                urls = {
                    name: await stack.enter_async_context(_listening(other, settings.api_host, port))
                    for name, (other, port) in beside.items()
                }
                others = tuple(other for other, _ in beside.values())
                yield Api(url, endpoint, workflows, asking, urls.get(desk.SERVICE), urls.get(sts.SERVICE), others)
        finally:
            for task in endless:
                task.cancel()


async def _beside(room: Dependencies, meters: metrics.Meters) -> Mapping[str, tuple[server.Endpoint, int]]:
    """The other endpoints that the settings want, and their ports; IAM's makes the master key at the first start."""
    settings = room.settings
    wanted: dict[str, tuple[server.Front, int]] = {}
    if settings.iam_port is not None and settings.master_key_path is not None:
        front = await asyncio.to_thread(
            iam.open_front,
            settings.master_key_path,
            original_answers=settings.compatibility_original_downloads,
        )
        wanted[desk.SERVICE] = front, settings.iam_port
    if settings.sts_port is not None:
        wanted[sts.SERVICE] = await asyncio.to_thread(sts.open_front), settings.sts_port
    return {
        name: (server.Endpoint(room, _signed_for(name, room), meters, front), port)
        for name, (front, port) in wanted.items()
    }


def _signed_for(name: str, room: Dependencies) -> service.Authenticator:
    return authentication.authenticator(room.settings.auth, room.db, room.clock, signed_for=name)


@contextlib.asynccontextmanager
async def _listening(endpoint: server.Endpoint, host: str, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(endpoint.app(), access_log=None, shutdown_timeout=_DRAIN_S)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        host, port = runner.addresses[0][:2]
        yield service.url_of(host, port)
    finally:
        await runner.cleanup()
