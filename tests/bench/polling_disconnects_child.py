"""The client that gets killed: python -m tests.bench.polling_disconnects_child URL POLLS."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from tests.bench import polling_disconnects as bench

from elbflow import polling, swf


async def park(url: str, polls: int) -> None:
    """Park ``polls`` polls, on the benchmark's lists in turn, until killed."""
    settings = swf.ClientSettings(endpoint_url=url, poll_connections=polls)
    async with (
        swf.Client.open(settings) as client,
        polling.Scheduler(
            client, profile=polling.EndpointProfile.local(), identity="killed", budget=polls
        ) as scheduler,
    ):
        for number in range(polls):
            scheduler.add_lane(bench._list(number % bench.PARKED), _undecided, slots=1, max_polls=1)
        await asyncio.Event().wait()


async def _undecided(task: swf.DecisionTask) -> None:
    """Tasks that come before the end are left to their timeout."""


if __name__ == "__main__":
    uvloop.run(park(sys.argv[1], int(sys.argv[2])))
