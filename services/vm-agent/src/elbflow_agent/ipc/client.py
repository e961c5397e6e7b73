"""The worker's end: one connection fetches the replies of all VMs of this process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import redis.exceptions
import structlog

from elbflow import clock, errors
from elbflow_agent import meters
from elbflow_agent.batches import Batches
from elbflow_agent.ipc import connection, messages
from elbflow_agent.ipc.line import Line
from elbflow_agent.ipc.pending import Pending, PendingRequests
from elbflow_agent.ipc.watch import Watch

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
    """Async context manager; calls may run concurrently and survive a restart of Redis and of a servo."""

    def __init__(self, connect: connection.Connect, *, time: clock.Clock, instruments: meters.Meters) -> None:
        self._clock = time
        self._meters = instruments
        self._id = uuid.uuid4().hex
        self._redis: Redis = connect()
        self._requests = PendingRequests()
        self._publishing, self._fetching = Line(self._redis), Line(self._redis)
        self._publications = Batches(self._publish_all, most=messages.AT_ONCE)
        self._watch = Watch(self._redis, self._requests, time=time, instruments=instruments)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Client:
        self._tasks.append(asyncio.create_task(self._fetch_for_ever(), name="ipc-replies"))
        self._tasks += self._watch.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._publications.aclose()
        for line in (self._publishing, self._fetching):
            await line.aclose()
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
        else what the servo raised as :class:`ServoRefused`, :class:`ServoFailed` or :class:`errors.Defect`. Out of
        time, the request may still be carried out; its answer is dropped. Cancelled likewise, but the servo is told
        within seconds that nobody waits.
        """
        request = messages.Request(
            uuid.uuid4().hex,
            method.name,
            messages.reply_list(self._id),
            self._clock.now() + within_s,
            method.encode_argument(argument),
        )
        pending = self._requests.add(instance_id, request.id)
        try:
            async with asyncio.timeout(within_s):
                reply = await self._exchange(pending, messages.encode_request(request))
        except TimeoutError as error:
            self._meters.ipc_errors.labels("no_answer").inc()
            raise NoAnswer(f"the servo of {instance_id} did not answer {method.name} in {within_s:g} s") from error
        except asyncio.CancelledError:
            self._requests.abandon(pending)
            raise
        finally:
            self._requests.remove(pending)
        return method.decode_answer(_checked(reply).body)

    async def _exchange(self, pending: Pending, data: bytes) -> messages.Reply:
        """Publish until there is a reply: the request or its reply may be lost, and the servo knows it by its id."""
        while True:
            pending.ask_again()
            await self._publish(pending, data)
            reply = await pending.wait()
            if reply is not None:
                return reply

    async def _publish(self, pending: Pending, data: bytes) -> None:
        """Return when somebody has heard it, or has answered an earlier publication and may be gone since."""
        absent_until = self._clock.monotonic() + _ABSENT_S
        failures = 0
        while not pending.is_answered:
            try:
                if await self._publications.give((messages.channel(pending.instance_id), data)):
                    return
                pause_s = _ABSENT_LOOK_S
                problem = "nobody listens"
            except (redis.exceptions.RedisError, OSError) as error:
                pause_s = connection.backoff_s(failures)
                problem = f"Redis: {error}"
            failures += 1
            if self._clock.monotonic() >= absent_until:
                self._meters.ipc_errors.labels("no_servo").inc()
                raise NoServo(f"no servo listens for {pending.instance_id} ({problem})")
            await self._clock.sleep(pause_s)

    async def _publish_all(self, given: Sequence[tuple[str, bytes]]) -> Sequence[int]:
        """How many listen, each. After a failure any may have been published; a servo knows them by their id."""
        return await self._publishing.ask(*(("PUBLISH", channel, data) for channel, data in given))

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
                self._requests.renew_all()
            except Exception:
                self._meters.ipc_errors.labels("defect").inc()
                _log.exception("ipc_listener_broken", end="worker")
                await self._clock.sleep(connection.backoff_s(len(connection.BACKOFF_S)))

    async def _fetch(self) -> None:
        own = messages.reply_list(self._id)
        (found,) = await self._fetching.ask(("BLMPOP", _FETCH_S, 1, own, "LEFT", "COUNT", messages.AT_ONCE))
        for entry in found[1] if found is not None else ():
            try:
                self._requests.deliver(messages.decode_reply(entry))
            except messages.Malformed as error:
                _log.error("ipc_reply_malformed", reason=str(error))


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
