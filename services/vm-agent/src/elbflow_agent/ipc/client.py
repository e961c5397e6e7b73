"""The worker's end: one connection fetches the replies of all VMs of this process."""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any

import redis.exceptions
import structlog

from elbflow import clock, errors
from elbflow_agent import meters
from elbflow_agent.ipc import connection, messages

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = structlog.get_logger(__name__)
_ABSENT_S = 5.0
_ABSENT_LOOK_S = 0.1
_FETCH_S = 5.0


class NoServo(errors.Retryable):
    """No servo listens for this VM."""


class NoAnswer(errors.Retryable):
    """The servo did not answer in time."""


class ServoRefused(errors.Permanent):
    """The servo refused the request for good."""


class ServoFailed(errors.Retryable):
    """The servo could not carry out the request."""


class Client:
    """Async context manager; calls may run concurrently and survive a restart of Redis."""

    def __init__(self, connect: connection.Connect, *, time: clock.Clock, instruments: meters.Meters) -> None:
        self._connect = connect
        self._clock = time
        self._meters = instruments
        self._id = uuid.uuid4().hex
        self._redis: Redis = connect()
        self._waiting: dict[str, asyncio.Future[messages.Reply]] = {}
        self._reconnected = asyncio.Event()
        self._fetcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Client:
        self._fetcher = asyncio.create_task(self._fetch_for_ever(), name="ipc-replies")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fetcher is not None:
            self._fetcher.cancel()
            await asyncio.gather(self._fetcher, return_exceptions=True)
        await self._redis.aclose()

    async def call(
        self,
        instance_id: str,
        method: messages.Method[messages.In, messages.Out],
        argument: messages.In,
        *,
        within_s: float,
    ) -> messages.Out:
        """Ask the servo of ``instance_id`` and return its answer.

        Raises :class:`NoServo` after a few seconds in which nobody listens, :class:`NoAnswer` after ``within_s``,
        else what the servo raised as :class:`ServoRefused`, :class:`ServoFailed` or :class:`errors.Defect`. Cancelled
        or out of time, the request may still be carried out; its answer is dropped.
        """
        request = messages.Request(
            uuid.uuid4().hex,
            method.name,
            messages.reply_list(self._id),
            self._clock.now() + within_s,
            method.encode_argument(argument),
        )
        future: asyncio.Future[messages.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = future
        try:
            async with asyncio.timeout(within_s):
                reply = await self._exchange(instance_id, request, future)
        except TimeoutError as error:
            self._meters.ipc_errors.labels("no_answer").inc()
            raise NoAnswer(f"the servo of {instance_id} did not answer {method.name} in {within_s:g} s") from error
        finally:
            del self._waiting[request.id]
        return method.decode_answer(_checked(reply).body)

    async def _exchange(
        self, instance_id: str, request: messages.Request, future: asyncio.Future[messages.Reply]
    ) -> messages.Reply:
        while True:
            reconnected = self._reconnected
            await self._publish(instance_id, request)
            again = asyncio.create_task(reconnected.wait())
            waits: set[asyncio.Future[Any]] = {future, again}
            try:
                # After a restart of Redis the request or its reply may be lost; the servo knows it by its id.
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                again.cancel()
            if future.done():
                return future.result()

    async def _publish(self, instance_id: str, request: messages.Request) -> None:
        data = messages.encode_request(request)
        absent_until = self._clock.monotonic() + _ABSENT_S
        failures = 0
        while True:
            try:
                if await self._redis.publish(messages.channel(instance_id), data):
                    return
                pause_s = _ABSENT_LOOK_S
                problem = "nobody listens"
            except (redis.exceptions.RedisError, OSError) as error:
                pause_s = connection.backoff_s(failures)
                problem = f"Redis: {error}"
            failures += 1
            if self._clock.monotonic() >= absent_until:
                self._meters.ipc_errors.labels("no_servo").inc()
                raise NoServo(f"no servo listens for {instance_id} ({problem})")
            await self._clock.sleep(pause_s)

    async def _fetch_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                await self._fetch()
                failures = 0
            except (redis.exceptions.RedisError, OSError) as error:
                self._meters.ipc_errors.labels("connection").inc()
                if failures == 0:
                    _log.warning("ipc_connection_lost", end="worker", reason=str(error))
                await self._clock.sleep(connection.backoff_s(failures))
                failures += 1
                self._reconnected.set()
                self._reconnected = asyncio.Event()
            except Exception:
                self._meters.ipc_errors.labels("defect").inc()
                _log.exception("ipc_listener_broken", end="worker")
                await self._clock.sleep(connection.backoff_s(len(connection.BACKOFF_S)))

    async def _fetch(self) -> None:
        entry = await self._redis.blpop([messages.reply_list(self._id)], timeout=_FETCH_S)
        if entry is None:
            return
        try:
            reply = messages.decode_reply(entry[1])
        except messages.Malformed as error:
            _log.error("ipc_reply_malformed", reason=str(error))
            return
        future = self._waiting.get(reply.id)
        if future is not None and not future.done():
            future.set_result(reply)


def _checked(reply: messages.Reply) -> messages.Reply:
    match reply.error:
        case "":
            return reply
        case "permanent":
            raise ServoRefused(reply.message)
        case "retryable":
            raise ServoFailed(reply.message)
        case _:
            raise errors.Defect(f"the servo failed: {reply.message}")
