"""What is wrong with the access logs of a load balancer comes with its health, as what is wrong with listeners."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.integration.agent.conftest import free_port

from elbflow import clock, objects
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.haproxy import place
from elbflow_agent.servo import Servo, ServoOptions


async def test_a_bucket_that_takes_nothing_is_reported_and_that_it_does_again(
    where: place.Place, binary: str, address: str, instruments: meters.Meters, tmp_path: Path
) -> None:
    parts = accesslog.Spool(tmp_path, cap_bytes=1 << 20, region="home-1", rng=random.Random(1))
    await asyncio.to_thread(parts.prepare, 0.0)
    ships = accesslog.Shipper(parts, lambda to: objects.DirectoryObjects(tmp_path), instruments=instruments)
    http, key = document.Protocol.HTTP, document.LoadBalancerKey("000000000001", "web")
    attributes = document.Attributes(access_log_enabled=True, access_log_bucket="logs", access_log_interval_min=5)
    listeners = (document.Listener(http, free_port(address), http, 9),)
    wanted = document.LoadBalancerDocument(key, 1, "local-1a", listeners, attributes=attributes)
    to = accesslog.Destination.of(wanted)
    assert to is not None
    servo = Servo(
        ServoOptions(address, where.directory, binary, key, place.Limits(1000, 5)),
        time=clock.SystemClock(),
        rng=random.Random(),
        instruments=instruments,
        shipping=accesslog.Shipping(parts, ships),
    )
    async with servo:
        assert (await servo.apply(wanted)).problems == ()
        before = await servo.health("", 0.0)
        for _ in range(3):
            ships.troubles.failed(to, objects.ObjectNotStored("no room"))
        report = await servo.health(before.digest, 5.0)
        said = "Access logs cannot be stored in bucket logs: ObjectNotStored"
        assert report.problems == (document.ListenerProblem(document.WHOLE, said, is_served=True),)
        ships.troubles.stored(to)
        assert (await servo.health(report.digest, 5.0)).problems == ()
