"""The event loop of fake activities: its clock is the environment's, and it never waits.

It is entered from inside the test's own running loop and leaves that one as it was.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import heapq
import itertools
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar, TypeVarTuple, Unpack

from elbflow.flow.testing.errors import TestingError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MOST_TURNS = 1_000_000
"""Callbacks that may run without time passing before it counts as a busy loop."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs what is ready or due when told to; ``clock`` gives the virtual time in seconds.

    There is no I/O and there are no threads: such calls fail with NotImplementedError.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: collections.deque[asyncio.Handle] = collections.deque()
        self._later: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._error: BaseException | None = None

    # --- what the environment does with it ---------------------------------------------------------------------

    def run_ready(self) -> bool:
        """Run callbacks until none is ready or due; whether there were any. Raises what a callback raised."""
        if not self._take_due():
            return False
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for _ in range(_MOST_TURNS):
                if not self._take_due():
                    break
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
            else:
                raise TestingError("a fake activity does not come to rest")
        finally:
            asyncio._set_running_loop(outer)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return True

    def next_due(self) -> float | None:
        """When the earliest timer fires."""
        while self._later and self._later[0][2].cancelled():
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def cancel_all(self) -> None:
        """End every task that still runs."""
        for task in list(self._tasks):
            task.cancel()
        self.run_ready()

    def _take_due(self) -> bool:
        while (due := self.next_due()) is not None and due <= self._clock():
            self._ready.append(heapq.heappop(self._later)[2])
        return bool(self._ready)

    # --- what asyncio does with it -----------------------------------------------------------------------------

    def time(self) -> float:
        return self._clock()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        # Virtual times have milliseconds; sums of floats do not.
        return self.call_at(round(self._clock() + delay, 3), callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._later, (when, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their turn comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=None if name is None else str(name), context=context, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback raised, which is the test's business; a task's own error is looked at where it is awaited."""
        if "handle" in context and self._error is None:
            self._error = context.get("exception")

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)
