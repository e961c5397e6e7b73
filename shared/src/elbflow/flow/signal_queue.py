"""Signals as a queue, for workflows that take them one after the other rather than with a method."""

from __future__ import annotations

import asyncio
from typing import Generic

from elbflow.flow import codec, context, errors
from elbflow.flow.signatures import In, SignalSignature


class SignalQueue(Generic[In]):
    """Values of one signal in history order. ``async for value in queue`` takes them until the loop is left."""

    def __init__(self, signature: SignalSignature[In]) -> None:
        self._signature = signature
        self._values: asyncio.Queue[In] = asyncio.Queue()

    async def get(self) -> In:
        """The next value, waiting for one if need be. Cancelled here, no value is lost."""
        return await self._values.get()

    def get_nowait(self) -> In | None:
        """The next value, or None."""
        return None if self._values.empty() else self._values.get_nowait()

    def __len__(self) -> int:
        return self._values.qsize()

    def __aiter__(self) -> SignalQueue[In]:
        return self

    async def __anext__(self) -> In:
        return await self.get()

    def receive(self, payload: str | None) -> None:
        """Take in a signal's payload; raises :class:`errors.PayloadMismatch`."""
        self._values.put_nowait(codec.decode(payload, self._signature.input_type))


def signals(signature: SignalSignature[In]) -> SignalQueue[In]:
    """The queue of a signal that has no method. It begins with what came before anybody asked for it.

    Asked for once per signal, in ``run()``. Values that are not of the signal's type are dropped and reported.
    """
    instance = context.current()
    if signature.name in instance.receivers:
        raise errors.WorkflowDefect(f"signal {signature.name} has a receiver already")
    queue = SignalQueue(signature)
    instance.queues.append(queue)
    instance.receivers[signature.name] = queue.receive
    for payload in instance.kept_signals.pop(signature.name, []):
        instance.signaled(signature.name, payload)
    return queue
