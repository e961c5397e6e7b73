"""The emulated servers misbehave as told, and count it: what benchmarks conclude from them rests on this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.bench import engine_http
from tests.emulators import behaviour, wire
from tests.emulators.behaviour import Behaviour
from tests.emulators.lists import ACTIVITY
from tests.emulators.server import Server

DEADLINE_S = 5.0


class Endpoint:
    """An emulated server in this process, and clients that are closed with it."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url
        self.clients: list[engine_http.Client] = []

    def poll(self, name: str = "list") -> asyncio.Task[Any]:
        """A poll on a connection of its own."""
        client = engine_http.Client(self.url)
        self.clients.append(client)
        return asyncio.create_task(client.poll("Activity", "domain", name))

    async def call(self, operation: str, **members: Any) -> Any:
        client = engine_http.Client(self.url)
        self.clients.append(client)
        return await client.call(operation, deadline_s=DEADLINE_S, **members)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def emulated(how: Behaviour) -> AsyncIterator[Endpoint]:
    server = Server(how)
    listening, url = await wire.listen(server.serve)
    endpoint = Endpoint(server, url)
    async with listening:
        try:
            yield endpoint
        finally:
            for client in endpoint.clients:
                client.close()


async def within(awaited: Awaitable[Any]) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        return await awaited


async def test_a_healthy_server_parks_hands_out_and_forgets_an_answered_task() -> None:
    async with emulated(Behaviour(hold_s=0.1)) as endpoint:
        assert await within(endpoint.poll()) is None
        assert endpoint.server.counts.empty_full == 1
        waiting = endpoint.poll()
        await endpoint.until(lambda: endpoint.server.parked == 1)
        endpoint.server.offer(ACTIVITY, "list")
        task = await within(waiting)
        await endpoint.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
        assert (endpoint.server.counts.done, endpoint.server.report()["open"]) == (1, 0)
        with pytest.raises(engine_http.Refused, match="UnknownResourceFault"):
            await endpoint.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])


@pytest.mark.parametrize(("how", "answered"), [(Behaviour(), 1), (behaviour.herd(), 4)])
async def test_one_task_answers_one_poll_or_the_whole_herd(how: Behaviour, answered: int) -> None:
    async with emulated(how) as endpoint:
        polls = [endpoint.poll() for _ in range(4)]
        await endpoint.until(lambda: endpoint.server.parked == 4)
        endpoint.server.offer(ACTIVITY, "list")
        await endpoint.until(lambda: sum(poll.done() for poll in polls) == answered)
        assert [poll.result() is not None for poll in polls if poll.done()].count(True) == 1
        assert endpoint.server.counts.empty_early == answered - 1
        assert endpoint.server.parked == 4 - answered


async def test_polls_beyond_the_threads_are_not_parked_and_short_calls_wait_behind_them() -> None:
    async with emulated(behaviour.thread_pool(2, hold_s=0.4)) as endpoint:
        polls = [endpoint.poll() for _ in range(3)]
        await endpoint.until(lambda: endpoint.server.report()["queued"] == 1)
        assert endpoint.server.parked == 2
        begun = asyncio.get_running_loop().time()
        assert await endpoint.call("RecordActivityTaskHeartbeat", taskToken="probe") == {"cancelRequested": False}
        assert asyncio.get_running_loop().time() - begun > 0.2
        assert await within(asyncio.gather(*polls)) == [None] * 3
    async with emulated(behaviour.eucalyptus()) as endpoint:
        polls = [endpoint.poll() for _ in range(33)]
        await endpoint.until(lambda: endpoint.server.report()["queued"] == 1)
        assert await endpoint.call("RecordActivityTaskHeartbeat", taskToken="probe") == {"cancelRequested": False}


async def test_a_tick_lengthens_the_hold_and_an_early_share_shortens_it() -> None:
    async with emulated(Behaviour(hold_s=0.1, tick_s=0.2)) as endpoint:
        durations = []
        for _ in range(3):
            begun = asyncio.get_running_loop().time()
            await within(endpoint.poll())
            durations.append(asyncio.get_running_loop().time() - begun)
        assert all(0.09 <= duration <= 0.5 for duration in durations)
        assert durations[-1] >= 0.15  # the poll began on a tick
        endpoint.server.switch(behaviour.early(0.01))
        await within(endpoint.poll())
        assert endpoint.server.counts.empty_early == 1


async def test_the_account_is_throttled_and_lists_have_a_limit() -> None:
    async with emulated(behaviour.throttling(0.001, 2.0)) as endpoint:
        polls = [endpoint.poll() for _ in range(3)]
        await endpoint.until(lambda: any(poll.done() for poll in polls))
        refused = [poll.exception() for poll in polls if poll.done()]
        assert "ThrottlingException" in str(refused[0])
        assert (endpoint.server.parked, endpoint.server.counts.throttled) == (2, 1)
    async with emulated(Behaviour(pollers_per_list=1)) as endpoint:
        endpoint.poll()
        await endpoint.until(lambda: endpoint.server.parked == 1)
        with pytest.raises(engine_http.Refused, match="LimitExceededFault"):
            await within(endpoint.poll())


@pytest.mark.parametrize("notices", [True, False])
async def test_a_dead_poll_leaves_or_swallows_a_task(notices: bool) -> None:
    async with emulated(Behaviour(notices_disconnects=notices)) as endpoint:
        dead = endpoint.poll()
        await endpoint.until(lambda: endpoint.server.parked == 1)
        endpoint.clients[0].close()
        with pytest.raises(ConnectionResetError):
            await dead
        await asyncio.sleep(0.05)
        endpoint.server.offer(ACTIVITY, "list")
        assert endpoint.server.counts.lost == (0 if notices else 1)
        assert (await within(endpoint.poll()) is not None) if notices else not endpoint.server.parked


async def test_tasks_of_a_list_with_too_many_pollers_are_lost() -> None:
    async with emulated(Behaviour(drops_beyond=2)) as endpoint:
        for _ in range(3):
            endpoint.poll()
        await endpoint.until(lambda: endpoint.server.parked == 3)
        endpoint.server.offer(ACTIVITY, "list")
        assert (endpoint.server.counts.lost, endpoint.server.parked) == (1, 3)
