"""The scheduler of a whole process: what every service that polls connects it with.

The process is a :class:`Process`: little enough that polling does not depend on how processes are run.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import prometheus_client

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import page
from elbflow.polling.metrics import Metrics
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.scheduler import Scheduler
from elbflow.polling.tenants import TenantShare
from elbflow.tasks import Supervisor


class Process(Protocol):
    """What is needed of ``elbflow.service.Process``. ``aborting`` is set by a second signal."""

    @property
    def name(self) -> str: ...
    @property
    def registry(self) -> prometheus_client.CollectorRegistry: ...
    @property
    def aborting(self) -> asyncio.Event: ...
    def add_readiness(self, name: str, check: Callable[[], str | None], /) -> None: ...
    def add_remaining(self, name: str, count: Callable[[], int], /) -> None: ...
    def add_debug(self, name: str, page: page.Page, /) -> None: ...


@asynccontextmanager
async def scheduler_of(
    process: Process,
    service: swf.Polls,
    *,
    profile: EndpointProfile,
    budget: int,
    handles: str,
    version: str | None = None,
    shares: Mapping[str, TenantShare] | None = None,
    clock: clocks.Clock | None = None,
    rng: random.Random | None = None,
) -> AsyncIterator[Scheduler]:
    """The process's scheduler until the block ends, which drains it as :class:`Scheduler` does.

    ``shares`` are the tenants' parts of the ``budget``, where they are not the default ones. A ``version`` is told in
    histories.

    Its metrics go to the process's registry, ``/debug/polling`` explains its lanes, ``/readyz`` says when SWF does not
    answer, a drain tells how many polls and tasks (``handles`` is what the service calls them) are left, and a second
    signal cancels the handlers: they answer their tasks as cancelled, or leave them to be handed out again.
    """
    scheduler = Scheduler(
        service,
        profile=profile,
        identity=identity(process.name, version),
        budget=budget,
        shares=shares,
        clock=clock,
        rng=rng,
        metrics=Metrics(process.registry),
    )
    process.add_remaining(handles, lambda: scheduler.statistics(lanes=False).handlers)
    process.add_remaining("polls", lambda: scheduler.statistics(lanes=False).budget_used)
    process.add_debug("polling", page.page_of(scheduler))
    process.add_readiness("swf", lambda: _problem(scheduler))
    supervisor = Supervisor()
    supervisor.start(_abort(process.aborting, scheduler), "abort-watch")
    try:
        async with scheduler:
            yield scheduler
    finally:
        supervisor.cancel()


def identity(name: str, version: str | None = None) -> str:
    """How this process, a service called ``name``, appears in histories."""
    told = name if version is None else f"{name}/{version}"
    return f"{told}:{socket.gethostname()}:{os.getpid()}"


def _problem(scheduler: Scheduler) -> str | None:
    """Without lanes nothing is asked of SWF, so nobody would notice that it answers again."""
    now = scheduler.statistics(lanes=False)
    if now.refused is not None:
        return f"SWF calls polls of task list {now.refused.name} invalid: {now.refused_because}"
    return None if now.endpoint_open or not now.lane_count else "SWF does not answer"


async def _abort(aborting: asyncio.Event, scheduler: Scheduler) -> None:
    await aborting.wait()
    scheduler.abort_handlers()
