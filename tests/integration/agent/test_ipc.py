"""Requests between worker and servo over a real Redis: concurrency, absence, restarts of either end and of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from tests import stopwatch
from tests.integration.agent.conftest import RedisServer

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import ipc, meters
from elbflow_agent.ipc import messages

VM = "i-0000000a"


@pytest.fixture
async def client(broker: RedisServer) -> AsyncIterator[ipc.Client]:
    async with ipc.Client(
        ipc.unix_socket(broker.socket), time=clock.SystemClock(), instruments=meters.Meters()
    ) as made:
        yield made


@pytest.fixture
async def server(broker: RedisServer) -> AsyncIterator[ipc.Server]:
    async with ipc.Server(
        ipc.unix_socket(broker.socket), time=clock.SystemClock(), instruments=meters.Meters()
    ) as made:
        yield made


@pytest.fixture
async def raw(broker: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    """Redis without the agent's code in between."""
    async with redis.asyncio.Redis(unix_socket_path=str(broker.socket)) as made:
        yield made


def health_handlers(delay_s: float = 0.0) -> ipc.Handlers:
    async def health(query: ipc.HealthQuery) -> document.HealthReport:
        await asyncio.sleep(delay_s)
        return document.HealthReport(query.known_digest + "!")

    handlers = ipc.Handlers()
    handlers.bind(ipc.HEALTH, health)
    return handlers


def ask(client: ipc.Client, digest: str, within_s: float = 10.0, vm: str = VM) -> asyncio.Task[document.HealthReport]:
    return asyncio.create_task(client.call(vm, ipc.HEALTH, ipc.HealthQuery(digest, 0.0), within_s=within_s))


async def test_concurrent_requests_get_their_own_replies(client: ipc.Client, server: ipc.Server) -> None:
    await server.add(VM, health_handlers(0.02))
    replies = await asyncio.gather(*(ask(client, str(number)) for number in range(100)))
    assert [reply.digest for reply in replies] == [f"{number}!" for number in range(100)]


async def test_a_servo_that_comes_late_is_waited_for(client: ipc.Client, server: ipc.Server) -> None:
    request = ask(client, "a")
    await asyncio.sleep(0.3)
    await server.add(VM, health_handlers())
    assert (await request).digest == "a!"


async def test_no_servo_is_a_clear_retryable_error(
    client: ipc.Client, server: ipc.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.ipc.client._ABSENT_S", 0.3)
    with pytest.raises(ipc.NoServo, match="nobody listens") as caught:
        await ask(client, "a")
    assert isinstance(caught.value, errors.Retryable)
    await server.add(VM, health_handlers())
    await server.remove(VM)
    with pytest.raises(ipc.NoServo):
        await ask(client, "a")


async def test_a_slow_servo_is_no_answer_and_its_reply_meets_nobody(
    client: ipc.Client, server: ipc.Server, raw: redis.asyncio.Redis
) -> None:
    await server.add(VM, health_handlers(0.4))
    with pytest.raises(ipc.NoAnswer):
        await ask(client, "late", within_s=0.2)
    assert (await ask(client, "next")).digest == "next!"
    await asyncio.sleep(0.3)
    assert await raw.keys("elbflow:*") == []


async def test_errors_keep_their_branch(client: ipc.Client, server: ipc.Server) -> None:
    raised: list[Exception] = []

    async def health(_: ipc.HealthQuery) -> document.HealthReport:
        raise raised[-1]

    handlers = ipc.Handlers()
    handlers.bind(ipc.HEALTH, health)
    await server.add(VM, handlers)
    cases: list[tuple[Exception, type[Exception]]] = [
        (errors.Permanent("never"), ipc.ServoRefused),
        (errors.Retryable("later"), ipc.ServoFailed),
        (ZeroDivisionError("bug"), errors.Defect),
    ]
    for cause, expected in cases:
        raised.append(cause)
        with pytest.raises(expected, match=str(cause)):
            await ask(client, "a")


async def test_requests_survive_a_restart_of_redis(client: ipc.Client, server: ipc.Server, broker: RedisServer) -> None:
    await server.add(VM, health_handlers(0.5))
    before = ask(client, "before")
    await asyncio.sleep(0.2)
    await broker.stop()
    during = ask(client, "during")
    await asyncio.sleep(0.3)
    await broker.start()
    assert (await before).digest == "before!"
    assert (await during).digest == "during!"
    assert (await ask(client, "after")).digest == "after!"


async def test_a_new_servo_is_asked_again_at_once(broker: RedisServer, client: ipc.Client) -> None:
    connect = ipc.unix_socket(broker.socket)
    async with ipc.Server(connect, time=clock.SystemClock(), instruments=meters.Meters()) as dying:
        await dying.add(VM, health_handlers(60.0))
        request = ask(client, "a", within_s=30.0)
        await asyncio.sleep(0.3)
    assert not request.done()
    async with ipc.Server(connect, time=clock.SystemClock(), instruments=meters.Meters()) as next_one:
        await next_one.add(VM, health_handlers())
        async with stopwatch.within(2):
            assert (await request).digest == "a!"


async def test_a_servo_that_stays_away_fails_what_waits_for_it(
    broker: RedisServer, client: ipc.Client, server: ipc.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.ipc.client._ABSENT_S", 0.2)
    monkeypatch.setattr("elbflow_agent.ipc.watch._LOOK_S", 0.2)
    connect = ipc.unix_socket(broker.socket)
    async with ipc.Client(connect, time=clock.SystemClock(), instruments=meters.Meters()) as watching:
        async with ipc.Server(connect, time=clock.SystemClock(), instruments=meters.Meters()) as dying:
            await dying.add(VM, health_handlers(60.0))
            await server.add("i-0000000b", health_handlers(2.0))
            request = ask(watching, "a", within_s=30.0)
            other = ask(watching, "b", within_s=30.0, vm="i-0000000b")
            await asyncio.sleep(0.6)
            assert not request.done()
        async with stopwatch.within(3):
            with pytest.raises(ipc.NoServo):
                await request
            assert (await other).digest == "b!"


async def test_the_servo_hears_that_nobody_waits_any_more(
    broker: RedisServer, server: ipc.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.ipc.watch._LOOK_S", 0.1)
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def health(query: ipc.HealthQuery) -> document.HealthReport:
        arrived.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return document.HealthReport(query.known_digest)

    handlers = ipc.Handlers()
    handlers.bind(ipc.HEALTH, health)
    await server.add(VM, handlers)
    connect = ipc.unix_socket(broker.socket)
    async with ipc.Client(connect, time=clock.SystemClock(), instruments=meters.Meters()) as asking:
        request = ask(asking, "a", within_s=60.0)
        await arrived.wait()
        request.cancel()
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_replies_to_a_dead_worker_expire(
    broker: RedisServer, server: ipc.Server, raw: redis.asyncio.Redis
) -> None:
    arrived = asyncio.Event()

    async def health(query: ipc.HealthQuery) -> document.HealthReport:
        arrived.set()
        await asyncio.sleep(0.2)
        return document.HealthReport(query.known_digest)

    handlers = ipc.Handlers()
    handlers.bind(ipc.HEALTH, health)
    await server.add(VM, handlers)
    doomed = ipc.Client(ipc.unix_socket(broker.socket), time=clock.SystemClock(), instruments=meters.Meters())
    async with doomed:
        request = ask(doomed, "a")
        await arrived.wait()
        request.cancel()
    async with asyncio.timeout(5):
        while not (keys := await raw.keys("elbflow:*")):
            await asyncio.sleep(0.05)
    assert [0 < await raw.ttl(key) <= 60 for key in keys] == [True]


class SlowClock(clock.SystemClock):
    """An hour behind; it runs as fast as others."""

    def now(self) -> float:
        return super().now() - 3600


async def test_whoever_asks_with_a_wrong_clock_is_told(broker: RedisServer, server: ipc.Server) -> None:
    await server.add(VM, health_handlers())
    slow = SlowClock()
    async with ipc.Client(ipc.unix_socket(broker.socket), time=slow, instruments=meters.Meters()) as behind:
        async with asyncio.timeout(5):
            with pytest.raises(ipc.ServoFailed, match="too late"):
                await behind.call(VM, ipc.HEALTH, ipc.HealthQuery("a", 0.0), within_s=30.0)


async def test_rubbish_on_the_channel_is_survived(
    client: ipc.Client, server: ipc.Server, raw: redis.asyncio.Redis
) -> None:
    await server.add(VM, health_handlers())
    assert (await ask(client, "before")).digest == "before!"
    for rubbish in (b"{", b"null", b'{"id": 1}', b"\xff\xfe"):
        assert await raw.publish(f"elbflow:vm:{VM}:requests", rubbish) == 1
    async with stopwatch.within(2):
        assert (await ask(client, "ok")).digest == "ok!"


async def test_what_is_asked_of_a_vm_that_leaves_ends_with_it(client: ipc.Client, server: ipc.Server) -> None:
    arrived, ended = asyncio.Semaphore(0), list[str]()

    def waiting(vm: str) -> ipc.Handlers:
        async def health(query: ipc.HealthQuery) -> document.HealthReport:
            arrived.release()
            try:
                await asyncio.sleep(1.0)
            finally:
                ended.append(vm)
            return document.HealthReport(query.known_digest)

        handlers = ipc.Handlers()
        handlers.bind(ipc.HEALTH, health)
        return handlers

    other = "i-0000000b"
    for vm in (VM, other):
        await server.add(vm, waiting(vm))
    leaving, staying = ask(client, "a"), ask(client, "b", vm=other)
    for _ in range(2):
        await arrived.acquire()
    await server.remove(VM)
    assert ended == [VM]
    assert (await staying).digest == "b"
    leaving.cancel()


async def test_a_reply_counts_though_the_servo_has_left_since(
    client: ipc.Client, raw: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.ipc.client._ABSENT_S", 1.0)
    async with raw.pubsub(ignore_subscribe_messages=True) as servo:
        await servo.subscribe(messages.channel(VM))
        asking = ask(client, "a")
        while (message := await servo.get_message(timeout=5.0)) is None:
            continue
    request = messages.decode_request(message["data"])
    assert await raw.publish(messages.ARRIVALS, VM) == 1  # the client asks again, and finds nobody
    await asyncio.sleep(0.2)
    answer = ipc.HEALTH.encode_answer(document.HealthReport("b"))
    await raw.rpush(request.reply_to, messages.encode_reply(messages.Reply(request.id, answer)))
    assert (await asking).digest == "b"
