"""One running API: everything it stands on, from its settings to its listening socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import prometheus_client
from aiohttp import web

from elbflow import clock as clocks
from elbflow import service, store, swf, tasks
from elbflow_api import authentication, metrics, probe, server, waiting
from elbflow_api.dependencies import Dependencies
from elbflow_api.settings import ApiSettings

_DRAIN_S = 10.0
"""For calls still open at the end. Those that wait for a workflow were released before."""

_RETRIES = swf.RetryPlan(attempts=3, budget_s=5.0)
"""Shorter than the client's own: a call has its deadline, and the outbox keeps what could not be delivered."""


@dataclass(frozen=True, slots=True)
class Api:
    """A running API."""

    url: str
    endpoint: server.Endpoint
    workflows: waiting.Workflows
    probe: probe.Probe


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
    """Serve until the block ends; raises ``store.SchemaOutdated`` when the store was not migrated.

    Set ``stopping`` before leaving the block: calls that wait for a workflow are then answered 503 at once, and the
    client's repetition joins the workflow at another API. The end waits for open calls and for orders on their way;
    orders that are not delivered stay in the store.
    """
    clock = clock or clocks.SystemClock()
    meters = metrics.Meters(registry)
    async with store.Store(settings.store_url) as db, tasks.supervised(_DRAIN_S) as background:
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
        endpoint = server.Endpoint(
            Dependencies(db, workflows, settings, clock), authentication.authenticator(settings.auth, db, clock), meters
        )
        endless = [
            background.start(workflows.deliverer.run(), "outbox-sweep"),
            background.start(asking.run(), "probe"),
        ]
        try:
            async with _listening(endpoint, settings) as url:
                yield Api(url, endpoint, workflows, asking)
        finally:
            for task in endless:
                task.cancel()


@contextlib.asynccontextmanager
async def _listening(endpoint: server.Endpoint, settings: ApiSettings) -> AsyncIterator[str]:
    runner = web.AppRunner(endpoint.app(), access_log=None, shutdown_timeout=_DRAIN_S)
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.api_host, settings.api_port).start()
        host, port = runner.addresses[0][:2]
        yield service.url_of(host, port)
    finally:
        await runner.cleanup()
