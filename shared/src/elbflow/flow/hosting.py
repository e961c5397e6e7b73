"""Workers, their scheduler and a client, wired together: all that a program of its own needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from prometheus_client import CollectorRegistry

from elbflow import polling, swf
from elbflow.flow.activity_worker import ActivityWorker
from elbflow.flow.client import Client
from elbflow.flow.decision_worker import DecisionWorker
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types
from elbflow.flow.registry import ActivityRegistry


class _Common(TypedDict):
    domain: str
    task_list: str
    identity: str
    metrics: Metrics


@asynccontextmanager
async def workers(
    *,
    domain: str,
    task_list: str,
    workflows: Iterable[type] = (),
    activities: ActivityRegistry | None = None,
    connection: swf.ClientSettings | None = None,
    profile: polling.EndpointProfile | None = None,
    identity: str = "flow",
    retention_days: int | None = None,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Client]:
    """Decide ``workflows`` and carry out ``activities`` in this process until the block ends; gives a client.

    ``connection`` says where SWF is (default: AWS, us-east-1), ``profile`` how it behaves (default: as AWS does).
    ``retention_days`` registers the domain too, ``registry`` takes the metrics. Leaving the block drains: no new poll,
    tasks that parked polls still bring are carried out or given back, what runs is answered. Against AWS that takes up
    to a minute. Raises the errors of :mod:`elbflow.swf` when types cannot be registered.
    """
    registry = registry or CollectorRegistry()
    metrics, identity = Metrics(registry), polling.identity(identity)
    profile = profile or polling.EndpointProfile.aws()
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            swf.Client.open(connection or swf.ClientSettings(), registry=registry)
        )
        scheduler = await stack.enter_async_context(
            polling.Scheduler(service, profile=profile, identity=identity, metrics=polling.Metrics(registry))
        )
        common: _Common = {"domain": domain, "task_list": task_list, "identity": identity, "metrics": metrics}
        if retention_days is not None:
            await register_types(service, domain, retention_days=retention_days)
        if decided := list(workflows):
            await stack.enter_async_context(DecisionWorker(service, scheduler, workflows=decided, **common))
        if activities is not None:
            await stack.enter_async_context(ActivityWorker(service, scheduler, registry=activities, **common))
        yield Client(service, domain, task_list)
