"""The decider as a running process: one lane of decision tasks and the workflows that answer them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import prometheus_client
import structlog

from elbflow import clock as clocks
from elbflow import flow, polling, service, swf
from elbflow.contract import activities, names, vm_activities
from elbflow_decider import workflows
from elbflow_decider.settings import DeciderSettings

log = structlog.get_logger()


async def serve(process: service.Process) -> None:
    """Decide until the process is told to stop, then drain: park no poll any more, answer what still comes."""
    settings = process.settings
    assert isinstance(settings, DeciderSettings)
    async with (
        swf.Client.open(settings.client_settings(), registry=process.registry) as client,
        polling.scheduler_of(
            process,
            client,
            profile=settings.profile(),
            budget=settings.poll_budget,
            shares=settings.budget_shares(),
            handles="decisions",
        ) as scheduler,
        worker(client, scheduler, settings, registry=process.registry),
    ):
        await process.serve_admin()
        process.ready()
        log.info("deciding", domain=settings.swf_domain, task_list=settings.swf_task_list)
        await process.stopping.wait()


@asynccontextmanager
async def worker(
    client: swf.Service,
    scheduler: polling.Scheduler,
    settings: DeciderSettings,
    *,
    registry: prometheus_client.CollectorRegistry | None = None,
    clock: clocks.Clock | None = None,
) -> AsyncIterator[flow.DecisionWorker]:
    """A decision worker of all workflows, in a domain where all types are registered.

    The decider registers the activities too: a workflow must not fail because it was faster than the worker that
    carries out its first activity.
    """
    await flow.register_types(client, settings.swf_domain, retention_days=names.RETENTION_DAYS)
    await flow.register_types(client, settings.swf_domain, activities=activities.ALL, task_list=settings.swf_task_list)
    await flow.register_types(client, settings.swf_domain, activities=vm_activities.ALL)
    async with flow.DecisionWorker(
        client,
        scheduler,
        domain=settings.swf_domain,
        task_list=settings.swf_task_list,
        workflows=workflows.ALL,
        identity=scheduler.identity,
        slots=settings.decision_slots,
        min_polls=settings.parked_polls(settings.decision_slots),
        sticky=settings.stickiness,
        clock=clock,
        metrics=flow.Metrics(registry or prometheus_client.CollectorRegistry()),
    ) as running:
        yield running
