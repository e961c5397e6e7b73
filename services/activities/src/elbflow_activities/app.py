"""The activities service as a running process: store, cloud, one lane of activity tasks, and the starter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import prometheus_client
import structlog

from elbflow import clock as clocks
from elbflow import flow, objects, polling, service, store, swf
from elbflow.contract import names, workflows
from elbflow_activities import registry as activity_registry
from elbflow_activities import starter
from elbflow_activities.cloud import host_client, local
from elbflow_activities.environment import Environment
from elbflow_activities.executions import Executions
from elbflow_activities.settings import ActivitiesSettings

log = structlog.get_logger()


async def serve(process: service.Process) -> None:
    """Carry out activities until the process is told to stop, then drain: finish and answer what runs."""
    settings = process.settings
    assert isinstance(settings, ActivitiesSettings)
    async with (
        swf.Client.open(settings.client_settings(), registry=process.registry) as client,
        environment(settings, client) as env,
        polling.scheduler_of(
            process,
            client,
            profile=settings.profile(),
            budget=settings.poll_budget,
            shares=settings.budget_shares(),
            handles="activities",
        ) as scheduler,
        worker(client, scheduler, settings, env, registry=process.registry),
    ):
        await process.serve_admin()
        process.ready()
        log.info("working", domain=settings.swf_domain, task_list=settings.swf_task_list)
        await process.stopping.wait()
        scheduler.stop()
        # The lane stays open meanwhile: what parked polls still bring is carried out while there is time.
        await scheduler.drained(settings.profile().drain_timeout_s)


@asynccontextmanager
async def environment(
    settings: ActivitiesSettings, client: swf.Service, *, clock: clocks.Clock | None = None
) -> AsyncIterator[Environment]:
    """What the activities work with, until the block ends. Raises ``store.SchemaOutdated``."""
    clock = clock or clocks.SystemClock()
    token = await asyncio.to_thread(_token, settings)
    async with (
        store.Store(settings.store_url) as db,
        host_client.HostClient.open(settings.agent_host_url, token) as host,
        objects.opened(
            settings.access_log_directory, region=settings.swf_region, endpoint=settings.s3_endpoint
        ) as log_objects,
    ):
        await db.require_current_schema()
        yield Environment(
            db=db,
            cloud=local.LocalCloud(
                db,
                host,
                zones=settings.zones,
                rng=random.SystemRandom(),
                vpc=settings.vpc.declared() if settings.vpc else None,
                buckets=settings.access_log_buckets,
            ),
            executions=Executions(client, settings.swf_domain, settings.swf_task_list, clock),
            clock=clock,
            policy=settings.policy(),
            objects=log_objects,
        )


@asynccontextmanager
async def worker(
    client: swf.Service,
    scheduler: polling.Scheduler,
    settings: ActivitiesSettings,
    env: Environment,
    *,
    registry: prometheus_client.CollectorRegistry | None = None,
) -> AsyncIterator[flow.ActivityWorker]:
    """An activity worker over ``env``, and the starter beside it.

    The types of the workflows that it starts are registered too, so that deciders may come later.
    """
    await flow.register_types(
        client,
        settings.swf_domain,
        retention_days=names.RETENTION_DAYS,
        workflows=workflows.ALL,
        task_list=settings.swf_task_list,
    )
    async with (
        flow.ActivityWorker(
            client,
            scheduler,
            domain=settings.swf_domain,
            task_list=settings.swf_task_list,
            registry=activity_registry.bind(env),
            identity=scheduler.identity,
            slots=settings.activity_slots,
            min_polls=settings.parked_polls(settings.activity_slots),
            lane_class="service",
            clock=env.clock,
            metrics=flow.Metrics(registry or prometheus_client.CollectorRegistry()),
        ) as running,
        asyncio.TaskGroup() as beside,
    ):
        keeping = beside.create_task(
            starter.keep_service_health_running(env.executions, settings.health_check_period_s, env.clock),
            name="health-check-starter",
        )
        try:
            yield running
        finally:
            keeping.cancel()


def _token(settings: ActivitiesSettings) -> str:
    return service.read_secret(settings.agent_token_file) if settings.agent_token_file is not None else ""
