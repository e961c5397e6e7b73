"""Whether the servos that owe a reply still live: asked for all VMs of a process at once, not by each request.

A request may wait for the better part of an hour. A servo that comes back says so at once; one that stays away is
noticed here, within two looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import redis.exceptions
import structlog

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.ipc import connection, messages
from elbflow_agent.ipc.pending import PendingRequests

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = structlog.get_logger(__name__)
_LOOK_S = 8.0


class Watch:
    """Has requests published again when there is reason to; :meth:`start` gives its tasks, which end cancelled."""

    def __init__(
        self, client: Redis, requests: PendingRequests, *, time: clock.Clock, instruments: meters.Meters
    ) -> None:
        self._redis = client
        self._requests = requests
        self._clock = time
        self._meters = instruments

    def start(self) -> list[asyncio.Task[None]]:
        """Begin."""
        return [
            asyncio.create_task(self._for_ever(self._hear_arrivals), name="ipc-arrivals"),
            asyncio.create_task(self._for_ever(self._look), name="ipc-watch"),
        ]

    async def _for_ever(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        failures = 0
        while True:
            try:
                await work()
                failures = 0
            except (redis.exceptions.RedisError, OSError):
                # The fetcher meets the same fault and reports it.
                self._meters.ipc_errors.labels("connection").inc()
                await self._clock.sleep(connection.backoff_s(failures))
                failures += 1
            except Exception:
                self._meters.ipc_errors.labels("defect").inc()
                _log.exception("ipc_listener_broken", end="worker")
                await self._clock.sleep(connection.backoff_s(len(connection.BACKOFF_S)))

    async def _hear_arrivals(self) -> None:
        """Ask a servo again that has just begun to listen. Ends only with the connection."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(messages.ARRIVALS)
            self._requests.renew_all()  # somebody may have arrived before
            while True:
                message = await subscription.get_message(timeout=None)
                if message is not None and message["type"] == "message":
                    self._requests.renew(message["data"].decode(errors="replace"))

    async def _look(self) -> None:
        """Look once: what was abandoned is told to the servos, what is asked of nobody is asked again.

        The repetition finds nobody, waits as long as a first request would, and fails.
        """
        await self._clock.sleep(_LOOK_S)
        await self._tell_abandoned()
        instances = self._requests.instances()
        if not instances:
            return
        listening = await self._redis.pubsub_numsub(*map(messages.channel, instances))
        for name, count in listening:
            if not count:
                self._requests.renew(messages.instance_of(name if isinstance(name, str) else name.decode()))

    async def _tell_abandoned(self) -> None:
        abandoned = self._requests.abandoned
        while abandoned:
            instance_id, request_id = abandoned[0]
            forget = messages.Request(request_id, messages.FORGET, "", 0.0, request_id)
            await self._redis.publish(messages.channel(instance_id), messages.encode_request(forget))
            abandoned.popleft()  # not before: Redis may be away
