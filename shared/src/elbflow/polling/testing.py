"""An SWF that exists only in a test: polls answered by a script, on whatever clock the test uses."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from elbflow import clock as clocks
from elbflow import swf


@dataclass(frozen=True, slots=True)
class Reply:
    """What one poll gets: after ``after_s`` seconds (None: never) a task, a fault, or an empty answer."""

    after_s: float | None
    task: bool = False
    fault: swf.SwfError | None = None


@dataclass(slots=True, eq=False)
class PollRecord:
    """One poll as the service saw it, in monotonic seconds. ``ended`` is None while it is parked."""

    task_list: swf.TaskList
    begun: float
    reply: Reply
    ended: float | None = None
    cancelled: bool = False


@dataclass(eq=False)
class ScriptedPolls:
    """Implements :class:`elbflow.swf.Polls`. ``script`` decides the reply to each poll when it arrives.

    ``records`` keeps every poll, ``delivered`` the tokens of the tasks handed over. ``on_begin`` and
    ``on_end`` are called when a poll has arrived or ended, so that a test can check what must hold at that moment.
    """

    clock: clocks.Clock
    script: Callable[[swf.TaskList], Reply]
    on_begin: Callable[[PollRecord], None] | None = None
    on_end: Callable[[PollRecord], None] | None = None
    records: list[PollRecord] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    ended: int = 0
    parked: Counter[swf.TaskList] = field(default_factory=Counter)
    _tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def in_flight(self) -> int:
        return len(self.records) - self.ended

    async def poll_for_decision_task(
        self, task_list: swf.TaskList, *, identity: str, start_at_previous: bool = False
    ) -> swf.DecisionTask | None:
        token = await self._answer(task_list)
        return None if token is None else decision_task(token, scheduled_at=self.clock.now())

    async def poll_for_activity_task(self, task_list: swf.TaskList, *, identity: str) -> swf.ActivityTask | None:
        token = await self._answer(task_list)
        return None if token is None else activity_task(token)

    async def _answer(self, task_list: swf.TaskList) -> str | None:
        record = PollRecord(task_list, self.clock.monotonic(), self.script(task_list))
        self.records.append(record)
        self.parked[task_list] += 1
        if self.on_begin is not None:
            self.on_begin(record)
        try:
            return await self._after_parking(record.reply)
        except asyncio.CancelledError:
            record.cancelled = True
            raise
        finally:
            record.ended = self.clock.monotonic()
            self.parked[task_list] -= 1
            self.ended += 1
            if self.on_end is not None:
                self.on_end(record)

    async def _after_parking(self, reply: Reply) -> str | None:
        if reply.after_s is None:
            await asyncio.get_running_loop().create_future()
        else:
            await self.clock.sleep(reply.after_s)
        if reply.fault is not None:
            raise reply.fault
        if not reply.task:
            return None
        token = f"token-{next(self._tokens)}"
        self.delivered.append(token)
        return token


def decision_task(token: str, *, scheduled_at: float = 0.0) -> swf.DecisionTask:
    """A decision task whose history says that it was scheduled at ``scheduled_at`` (epoch seconds)."""
    return swf.DecisionTask(
        token=token,
        execution=swf.Execution("workflow", "run"),
        workflow_type=swf.TypeId("type", "1.0"),
        started_event_id=3,
        previous_started_event_id=0,
        events=(
            swf.HistoryEvent(1, "WorkflowExecutionStarted", scheduled_at, {}),
            swf.HistoryEvent(2, "DecisionTaskScheduled", scheduled_at, {}),
            swf.HistoryEvent(3, "DecisionTaskStarted", scheduled_at, {"scheduledEventId": 2}),
        ),
    )


def activity_task(token: str) -> swf.ActivityTask:
    """An activity task without input."""
    return swf.ActivityTask(
        token=token,
        activity_id="1",
        activity_type=swf.TypeId("activity", "1.0"),
        execution=swf.Execution("workflow", "run"),
        started_event_id=6,
        input=None,
    )
