"""The SWF client: :class:`elbflow.swf.Service` over aiobotocore."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow.swf.endpoints import Endpoints, open_endpoints
from elbflow.swf.metrics import CallCounter, QuotaMetrics
from elbflow.swf.operations.executions import ExecutionOperations
from elbflow.swf.operations.polls import PollOperations
from elbflow.swf.operations.registration import RegistrationOperations
from elbflow.swf.operations.tasks import TaskOperations
from elbflow.swf.quotas import Quotas
from elbflow.swf.retry import RetryPlan
from elbflow.swf.settings import ClientSettings
from elbflow.swf.transport import Transport


class Client(PollOperations, TaskOperations, ExecutionOperations, RegistrationOperations):
    """All SWF calls of a process. Make one with :meth:`open` and share it.

    Polls and short calls have separate pools, so a respond never waits for a poll to end (I6). Polls are sent once;
    short calls are repeated with full jitter for up to a minute (spec/swf-long-poll-scale 5.14).
    """

    def __init__(self, transport: Transport, endpoints: Endpoints, poll_connections: int) -> None:
        super().__init__(transport)
        self._endpoints = endpoints
        self._poll_connections = poll_connections

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: ClientSettings,
        *,
        registry: CollectorRegistry | None = None,
        clock: clocks.Clock | None = None,
        rng: random.Random | None = None,
        retries: RetryPlan | None = None,
    ) -> AsyncIterator[Self]:
        """A client until the block ends; end it after the scheduler has drained, for it closes all connections.

        ``registry`` gets ``elbflow_swf_calls_total{operation,outcome}`` and, with ``settings.quotas``, the rates that
        short calls keep to and their waits. Opening reads botocore's models and the shared credentials file and sends
        nothing to SWF; :class:`elbflow.swf.Unauthenticated` when it finds none.
        """
        clock, rng, counter = clock or clocks.SystemClock(), rng or random.Random(), CallCounter(registry)  # noqa: S311
        async with open_endpoints(settings, counter=counter, clock=clock, rng=rng) as endpoints:
            transport = Transport(
                endpoints,
                settings=settings,
                counter=counter,
                clock=clock,
                rng=rng,
                plan=retries or RetryPlan(),
                quotas=Quotas(settings.quotas, clock=clock, metrics=QuotaMetrics(registry)),
            )
            yield cls(transport, endpoints, settings.poll_connections)

    @property
    def poll_connections(self) -> int:
        """How many polls may park at once without one waiting for a connection."""
        return self._poll_connections

    def endpoint_states(self) -> dict[str, bool]:
        """Every endpoint's URL, the preferred one first, and whether it is believed to answer."""
        return self._endpoints.states()
