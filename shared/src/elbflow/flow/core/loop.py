"""A deterministic asyncio event loop whose clock is the history (design section 4, spec/anchors 3.1, finding 13).

It runs callbacks strictly in the order they were asked for and never waits: it stops when nothing is ready. Timers are
SWF timers. It is entered from inside the worker's own running loop and leaves that one as it was.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import itertools
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from elbflow.flow import counting, errors, ordering, refusals
from elbflow.flow.core.timer import Timer

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Coro = Generator[Any, None, T] | Coroutine[Any, Any, T]
Context = contextvars.Context | None

MOST_TURNS = 200_000
"""Callbacks one decision may run before it counts as a busy loop."""


class Task(counting.Task[T]):
    """A task that hashes by its creation number: sets of tasks iterate alike in every replay."""

    _number: int | None = None

    def __hash__(self) -> int:  # without a number yet, it enters asyncio's set of all tasks: there numbers would crowd
        return object.__hash__(self) if self._number is None else self._number


class Future(asyncio.Future[T]):
    """A future that hashes by its creation number."""

    _number = 0

    def __hash__(self) -> int:
        return self._number


class _TimerHandle(asyncio.TimerHandle):
    timer: Timer | None = None


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one workflow instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.closing = False
        self.callback_error: BaseException | None = None
        self._time = 0.0
        self._task_numbers, self._future_numbers = itertools.count(1), itertools.count(1)
        self._ready: collections.deque[asyncio.Handle] = collections.deque()
        self._tasks: list[asyncio.Task[Any]] = []  # strong: a collected task would run its cleanup anywhere
        self._most_tasks = 64
        self._abandoned: list[AsyncGenerator[Any, Any]] = []

    # --- what the instance does with it ------------------------------------------------------------------------

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be the running loop inside the block, whoever was it before."""
        outer = asyncio._get_running_loop()
        hooks = sys.get_asyncgen_hooks()
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(None, self._finalize)
        try:
            with ordering.ordered(self):
                yield
        finally:
            sys.set_asyncgen_hooks(*hooks)
            asyncio._set_running_loop(outer)

    def move_to(self, timestamp: float) -> None:
        """Set the history's time; it never goes back."""
        self._time = max(self._time, timestamp)

    def run_ready(self, finished: Callable[[], bool]) -> None:
        """Run callbacks until none is ready or ``finished``. Raises WorkflowDefect for a loop that never rests."""
        ready = self._ready
        try:
            for _ in range(MOST_TURNS + 1):
                if not ready or finished():
                    break
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
            else:
                raise errors.WorkflowDefect(f"the workflow does not come to rest within {MOST_TURNS} callbacks")
        except SystemExit as error:  # it would end the worker's process
            raise errors.WorkflowDefect("workflow code called sys.exit(): return from run() instead") from error
        if len(self._tasks) > self._most_tasks:  # not each time: a workflow may have thousands of open ones
            self._tasks = [task for task in self._tasks if not task.done() or task._log_traceback]
            self._most_tasks = 64 + 2 * len(self._tasks)

    def unobserved(self) -> list[BaseException]:
        """Errors of finished tasks that nobody has looked at; they count as looked at from now on."""
        found = []
        for task in self._tasks:
            error = task.exception() if task.done() and task._log_traceback else None
            if error is not None:
                found.append(error)
        self._tasks = [task for task in self._tasks if not task.done()]
        return found

    def close_tasks(self) -> None:
        """Unwind what still runs, so that no workflow code runs at the whim of the garbage collector."""
        self.closing = True
        with self.entered():
            for _ in range(10):
                alive = self.unfinished()
                if not alive:
                    break
                for task in alive:
                    task.cancel()
                with contextlib.suppress(errors.WorkflowDefect):  # busy even now: tried again, then let go
                    self.run_ready(lambda: False)
            self.unobserved()
            for task in self._tasks:  # these resist: now, not when the collector finds them
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()
        self._ready.clear()

    # --- what asyncio does with it -----------------------------------------------------------------------------

    def time(self) -> float:
        return self._time

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return self.closing

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if asyncio._get_running_loop() is self:
            self._ready.append(handle)
        elif not self.closing:
            raise ordering.refusal(self, "waking a task outside of a decision", "use no finalisers, no other threads")
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context = None
    ) -> asyncio.TimerHandle:
        if self.closing:
            raise errors.InstanceClosed
        handle = _TimerHandle(when, callback, args, self, context)
        delay_s = when - self._time
        if delay_s > 0:
            handle.timer = Timer(self.instance, delay_s, lambda: self._ready.append(handle))
        else:
            self._ready.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, _TimerHandle) and handle.timer is not None:
            handle.timer.cancel()

    def create_future(self) -> asyncio.Future[Any]:
        future: Future[Any] = Future(loop=self)
        future._number = next(self._future_numbers)
        return future

    def create_task(
        self, coro: Coro[T], *, name: object = None, context: Context = None, **options: Any
    ) -> asyncio.Task[T]:
        ordering.refuse_disorder(self)
        number = next(self._task_numbers)  # not that of futures: their count differs between versions of asyncio
        called = f"task-{number}" if name is None else str(name)
        task = Task(coro, loop=self, name=called, context=context, **options)
        task._number = number
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A callback raised: that is a defect of the workflow. Complaints of the collector are not its business."""
        if "handle" in context and not self.closing and self.callback_error is None:
            self.callback_error = context.get("exception")

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """Its tasks that are not done, in the order of their creation."""
        return [task for task in self._tasks if not task.done()]

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        """An asynchronous generator was dropped: its cleanup runs in a decision, as a task, or not at all."""
        if asyncio._get_running_loop() is self and not self.closing:
            self.call_soon(self.create_task, generator.aclose())
        else:
            self._abandoned.append(generator)  # found by the collector: kept, so that none of its code runs now


for _name, _fix in refusals.FIXES:
    setattr(Loop, _name, refusals.refuse(_name, _fix))
