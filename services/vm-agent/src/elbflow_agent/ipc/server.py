"""The servo's end: one subscription for all VMs of this process."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import redis.exceptions
import structlog

from elbflow import clock, errors
from elbflow_agent import meters
from elbflow_agent.batches import Batches
from elbflow_agent.ipc import connection, messages
from elbflow_agent.ipc.line import Command, Line

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

_log = structlog.get_logger(__name__)
_REPLY_LIFE_S = 60


class Handlers:
    """What one VM answers, by method."""

    def __init__(self) -> None:
        self._bound: dict[str, tuple[messages.Method[Any, Any], Callable[[Any], Awaitable[Any]]]] = {}

    def bind(
        self,
        method: messages.Method[messages.In, messages.Out],
        implementation: Callable[[messages.In], Awaitable[messages.Out]],
    ) -> None:
        """Answer ``method`` with ``implementation``."""
        self._bound[method.name] = (method, implementation)

    async def answer(self, request: messages.Request) -> str:
        """The encoded answer; :class:`messages.Malformed` for an unknown method."""
        bound = self._bound.get(request.method)
        if bound is None:
            raise messages.Malformed(f"unknown method {request.method[:80]!r}")
        method, implementation = bound
        return method.encode_answer(await implementation(method.decode_argument(request.body)))


@dataclass(frozen=True, slots=True)
class _Serving:
    """A request that is being answered."""

    channel: str
    task: asyncio.Task[None]


class Server:
    """Async context manager that answers requests to the VMs added to it, across restarts of Redis."""

    def __init__(self, connect: connection.Connect, *, time: clock.Clock, instruments: meters.Meters) -> None:
        self._clock = time
        self._meters = instruments
        self._redis: Redis = connect()
        self._handlers: dict[str, Handlers] = {}
        # Subscribed for ever, so that the subscription stays in use while there is no VM.
        self._idle_channel = messages.channel(uuid.uuid4().hex)
        self._subscription: PubSub | None = None
        self._running: dict[str, _Serving] = {}
        self._listener: asyncio.Task[None] | None = None
        self._replying = Line(self._redis)
        self._replies = Batches(self._push_all, most=messages.AT_ONCE)

    async def __aenter__(self) -> Server:
        self._listener = asyncio.create_task(self._listen_for_ever(), name="ipc-requests")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [serving.task for serving in self._running.values()]
        if self._listener is not None:
            tasks.append(self._listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._replies.aclose()
        await self._replying.aclose()
        await self._redis.aclose()

    @property
    def connected(self) -> bool:
        """Whether requests arrive now."""
        return self._subscription is not None

    async def add(self, instance_id: str, handlers: Handlers) -> None:
        """Answer requests to ``instance_id``. Without Redis they arrive as soon as it is there."""
        self._handlers[messages.channel(instance_id)] = handlers
        await self._change(instance_id, subscribe=True)

    async def remove(self, instance_id: str) -> None:
        """Answer no more requests to ``instance_id``; those in progress have ended, cancelled, on return."""
        channel = messages.channel(instance_id)
        if self._handlers.pop(channel, None) is None:
            return
        # Nobody could tell them any more that nobody waits.
        tasks = [serving.task for serving in self._running.values() if serving.channel == channel]
        for task in tasks:
            task.cancel()
        await self._change(instance_id, subscribe=False)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _change(self, instance_id: str, *, subscribe: bool) -> None:
        subscription = self._subscription
        if subscription is None:
            return
        try:
            if not subscribe:
                await subscription.unsubscribe(messages.channel(instance_id))
                return
            await subscription.subscribe(messages.channel(instance_id))
            await self._redis.publish(messages.ARRIVALS, instance_id)
        except (redis.exceptions.RedisError, OSError):
            # The listener meets the same fault, and subscribes to everything anew.
            self._meters.ipc_errors.labels("connection").inc()

    async def _listen_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except (redis.exceptions.RedisError, OSError) as error:
                if self._subscription is not None:
                    failures = 0
                if failures == 0:
                    _log.warning("ipc_connection_lost", end="servo", reason=str(error))
                self._meters.ipc_errors.labels("connection").inc()
            except Exception:
                self._meters.ipc_errors.labels("defect").inc()
                _log.exception("ipc_listener_broken", end="servo")
            finally:
                self._subscription = None
            await self._clock.sleep(connection.backoff_s(failures))
            failures += 1

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._idle_channel, *self._handlers)
            self._subscription = subscription
            # A VM may have been added while the line above was waiting.
            await subscription.subscribe(*self._handlers, self._idle_channel)
            await self._announce()
            while True:
                message = await subscription.get_message(timeout=None)
                if message is not None and message["type"] == "message":
                    self._accept(message)

    async def _announce(self) -> None:
        """Have the workers ask again whatever was published while nobody listened."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for channel in self._handlers:
                pipe.publish(messages.ARRIVALS, messages.instance_of(channel))
            await pipe.execute()

    def _accept(self, message: Mapping[str, Any]) -> None:
        channel = message["channel"].decode()
        handlers = self._handlers.get(channel)
        try:
            request = messages.decode_request(message["data"])
        except messages.Malformed as error:
            _log.error("ipc_request_malformed", reason=str(error))
            return
        if request.method == messages.FORGET:
            if (serving := self._running.get(request.body)) is not None:
                serving.task.cancel()
            return
        if handlers is None or request.id in self._running:
            return
        task = asyncio.create_task(self._serve(handlers, request), name=f"ipc-{request.method}")
        self._running[request.id] = _Serving(channel, task)
        task.add_done_callback(lambda _: self._running.pop(request.id, None))

    async def _serve(self, handlers: Handlers, request: messages.Request) -> None:
        left_s = request.deadline - self._clock.now()
        if left_s <= 0:
            # Rarely true of somebody who still waits: the wall clock was set. He must not wait in vain.
            self._meters.ipc_errors.labels("late").inc()
            await self._push(request.reply_to, messages.Reply(request.id, error="retryable", message="asked too late"))
            return
        try:
            async with asyncio.timeout(left_s):
                reply = await self._reply(handlers, request)
                await self._push(request.reply_to, reply)
        except TimeoutError:
            # Whoever asked has given up at the same instant.
            self._meters.ipc_errors.labels("late").inc()

    async def _reply(self, handlers: Handlers, request: messages.Request) -> messages.Reply:
        try:
            return messages.Reply(request.id, await handlers.answer(request))
        except errors.Permanent as error:
            return messages.Reply(request.id, error="permanent", message=str(error))
        except errors.Retryable as error:
            return messages.Reply(request.id, error="retryable", message=str(error))
        except Exception as error:
            _log.exception("ipc_handler_broken", method=request.method)
            return messages.Reply(request.id, error="defect", message=f"{type(error).__name__}: {error}")

    async def _push(self, reply_list: str, reply: messages.Reply) -> None:
        failures = 0
        data = messages.encode_reply(reply)
        while True:
            try:
                await self._replies.give((reply_list, data))
            except (redis.exceptions.RedisError, OSError):
                await self._clock.sleep(connection.backoff_s(failures))
                failures += 1
            else:
                return

    async def _push_all(self, given: Sequence[tuple[str, bytes]]) -> Sequence[None]:
        """After a failure any of them may have been pushed; of two equal replies the first one counts."""
        lists: dict[str, list[bytes]] = defaultdict(list)
        for reply_list, data in given:
            lists[reply_list].append(data)
        pushes: list[Command] = [("RPUSH", reply_list, *replies) for reply_list, replies in lists.items()]
        ends: list[Command] = [("EXPIRE", reply_list, _REPLY_LIFE_S) for reply_list in lists]
        await self._replying.ask(*pushes, *ends)
        return [None] * len(given)
