"""What the worker tells the servos of its own accord, also when Redis is away for a while."""

from __future__ import annotations

import asyncio

import redis.exceptions

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.ipc import messages
from elbflow_agent.ipc.pending import PendingRequests
from elbflow_agent.ipc.watch import Watch


class Broker:
    """Redis that takes ``patience`` publications and then is away, until it is told how many more it takes."""

    def __init__(self) -> None:
        self.patience = 0
        self.heard: list[tuple[str, str]] = []

    def pubsub(self, **_: bool) -> None:
        raise redis.exceptions.ConnectionError("away")

    async def publish(self, channel: str, data: bytes) -> int:
        if self.patience == 0:
            raise redis.exceptions.ConnectionError("away")
        self.patience -= 1
        request = messages.decode_request(data)
        assert request.method == messages.FORGET
        self.heard.append((messages.instance_of(channel), request.body))
        return 1


async def test_what_was_abandoned_while_redis_was_away_is_told_later_and_once() -> None:
    time, broker, requests = clock.ManualClock(), Broker(), PendingRequests()
    watch = Watch(broker, requests, time=time, instruments=meters.Meters())  # type: ignore[arg-type]
    tasks = watch.start()
    for number in range(3):
        pending = requests.add(f"i-{number}", f"request-{number}")
        requests.abandon(pending)
        requests.remove(pending)
    await time.advance(20)
    assert broker.heard == []
    broker.patience = 1
    await time.advance(20)
    assert broker.heard == [("i-0", "request-0")]
    broker.patience = 100
    await time.advance(60)
    assert broker.heard == [(f"i-{number}", f"request-{number}") for number in range(3)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
