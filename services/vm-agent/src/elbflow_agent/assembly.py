"""The parts that all forms of the agent are put together from."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable

from elbflow import clock, flow, polling, service, swf
from elbflow.contract import document
from elbflow_agent import ipc, meters, original
from elbflow_agent.servo import Servo
from elbflow_agent.settings import AgentSettings
from elbflow_agent.worker import Workers


def handlers(servo: Servo, account: str | None) -> ipc.Handlers:
    """The servo's answers, also to the original's messages, which do not say which ``account`` they are about."""

    def health(query: ipc.HealthQuery) -> Awaitable[document.HealthReport]:
        return servo.health(query.known_digest, query.wait_s)

    def metrics(query: ipc.MetricsQuery) -> Awaitable[document.MetricsReport]:
        return servo.metrics(query.acknowledge)

    bound = ipc.Handlers()
    bound.bind(ipc.APPLY, servo.apply)
    bound.bind(ipc.HEALTH, health)
    bound.bind(ipc.METRICS, metrics)
    original.bind(bound, servo, account)
    return bound


@contextlib.asynccontextmanager
async def workers(
    process: service.Process, settings: AgentSettings, *, time: clock.Clock, instruments: meters.Meters
) -> AsyncIterator[Workers]:
    """One SWF client, one scheduler and one connection for replies, for any number of VMs.

    On exit the scheduler drains; close the VMs' lanes before.
    """
    rng = random.Random()  # noqa: S311  # spreads polls and heartbeats, guards nothing
    async with (
        swf.Client.open(settings.client_settings(), registry=process.registry, clock=time, rng=rng) as swf_client,
        ipc.Client(ipc.unix_socket(settings.agent_redis_socket), time=time, instruments=instruments) as client,
        polling.scheduler_of(
            process,
            swf_client,
            profile=settings.profile(),
            budget=settings.poll_connections,
            handles="activities",
            version=service.VERSION,
            clock=time,
            rng=rng,
        ) as scheduler,
    ):
        yield Workers(
            service=swf_client,
            scheduler=scheduler,
            client=client,
            domain=settings.swf_domain,
            identity=scheduler.identity,
            time=time,
            rng=rng,
            metrics=flow.Metrics(process.registry),
        )
