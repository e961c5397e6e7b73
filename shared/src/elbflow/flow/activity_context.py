"""What a running activity may know and say: its identity, its heartbeat, whether it should stop."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable
from typing import Any

import structlog

from elbflow import clock as clocks
from elbflow import swf
from elbflow.flow import errors

_MOST_DETAILS = 2_048
_LONGEST_INTERVAL_S = 30.0
_SHORTEST_INTERVAL_S = 1.0

_log = structlog.get_logger(__name__)
_current: contextvars.ContextVar[ActivityContext] = contextvars.ContextVar("elbflow_activity")


class ActivityContext:
    """The activity that runs in this task. ``cancel_requested`` is what the last heartbeat brought.

    ``gone`` says that SWF has closed the activity: nobody waits for its answer any more. ``details`` are those of the
    last :meth:`heartbeat`, and go with the answer to a cancellation. ``delivered`` is called once SWF has the result.
    """

    def __init__(self, service: swf.Service, task: swf.ActivityTask, clock: clocks.Clock) -> None:
        self.cancel_requested = False
        self.gone = False
        self.details: str | None = None
        self.delivered: Callable[[], None] | None = None
        self._service = service
        self._task = task
        self._clock = clock
        self._work: asyncio.Future[Any] | None = None
        self._unsent: str | None = None
        self._last_beat = -_SHORTEST_INTERVAL_S + clock.monotonic()

    @property
    def execution(self) -> swf.Execution:
        """The workflow run that asked for this activity."""
        return self._task.execution

    @property
    def task_token(self) -> str:
        return self._task.token

    @property
    def activity_type(self) -> swf.TypeId:
        return self._task.activity_type

    @property
    def idempotency_key(self) -> str:
        """``run_id:activity_id``: the same for every retry of one call, different for every other call."""
        return f"{self._task.execution.run_id}:{self._task.activity_id}"

    async def heartbeat(self, details: str | None = None) -> None:
        """Renew the heartbeat deadline and publish ``details`` (at most 2,048 characters).

        SWF does not give them to the activity's next attempt. It gives them to the workflow, as
        :attr:`errors.ActivityTimedOut.details`, which may pass them on as an argument (spec/swf-semantics 5).

        Calls within a second of the last one are kept for the next automatic heartbeat. When the workflow has asked to
        cancel, or has closed, ``CancelledError`` arrives at the activity's next await. Other faults of SWF are logged,
        not raised. Raises :class:`errors.PayloadTooLarge`.
        """
        if details is not None:
            if len(details) > _MOST_DETAILS:
                raise errors.PayloadTooLarge(f"heartbeat details exceed {_MOST_DETAILS} characters")
            self.details = self._unsent = details
        if self._clock.monotonic() - self._last_beat >= _SHORTEST_INTERVAL_S:
            await self.beat()

    async def beat(self) -> None:
        """Send one heartbeat now."""
        self._last_beat = self._clock.monotonic()
        details, self._unsent = self._unsent, None
        try:
            self.cancel_requested |= await self._service.record_activity_task_heartbeat(self._task.token, details)
        except swf.UnknownResource:
            self.gone = True
        except swf.SwfError as error:
            self._unsent = self._unsent or details
            _log.warning("heartbeat_not_delivered", activity=self._task.activity_type.name, error=str(error))
        if self._work is not None and (self.gone or self.cancel_requested):
            work, self._work = self._work, None
            work.cancel()

    def started(self, work: asyncio.Future[Any]) -> None:
        """``work`` is what a cancellation stops."""
        self._work = work

    def ended(self) -> None:
        """There is nothing to stop any more: the work, which refers to this context, need not wait for a collector."""
        self._work = None

    async def keep_alive(self, heartbeat_s: float, rng: random.Random) -> None:
        """Send heartbeats, a third of the deadline apart (at most 30 s, up to a tenth earlier), until cancelled."""
        interval_s = min(heartbeat_s / 3, _LONGEST_INTERVAL_S)
        while not self.gone:
            last = self._last_beat
            await self._clock.sleep(last + interval_s * rng.uniform(0.9, 1.0) - self._clock.monotonic())
            if self._last_beat == last:  # the activity itself sent none meanwhile
                await self.beat()


def activity_context() -> ActivityContext:
    """The context of the running activity; LookupError outside of one."""
    return _current.get()


def enter(context: ActivityContext) -> contextvars.Context:
    """A context in which ``context`` is the running activity's."""
    entered = contextvars.copy_context()
    entered.run(_current.set, context)
    return entered
