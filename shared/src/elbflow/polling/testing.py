"""An SWF that exists only in a test: polls answered by a script, on whatever clock the test uses."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from elbflow import clock as clocks
from elbflow import swf


@dataclass(frozen=True, slots=True)
class Reply:
    """What one poll gets: after ``after_s`` seconds (None: never) a task, a fault, or an empty answer, and hints."""

    after_s: float | None
    task: bool = False
    fault: swf.SwfError | None = None
    backlog: int | None = None
    oldest_s: float | None = None
    scale: int = 0


@dataclass(slots=True, eq=False)
class PollRecord:
    """One poll as the service saw it, in monotonic seconds. ``ended`` is None while it is parked.

    ``asked_s`` is the hold that it asked for, ``start_at_previous`` whether it wanted new events only.
    """

    task_list: swf.TaskList
    begun: float
    reply: Reply
    ended: float | None = None
    cancelled: bool = False
    asked_s: float | None = None
    start_at_previous: bool = False


@dataclass(eq=False)
class ScriptedPolls:
    """Implements :class:`elbflow.swf.Polls`. ``script`` decides the reply to each poll when it arrives.

    ``records`` keeps every poll, ``delivered`` the tokens of the tasks handed over. ``on_begin`` and
    ``on_end`` are called when a poll has arrived or ended, so that a test can check what must hold at that moment.
    ``capabilities`` are what it announces: with ``hold-hint`` it heeds the hold that a poll asks for.
    """

    clock: clocks.Clock
    script: Callable[[swf.TaskList], Reply]
    on_begin: Callable[[PollRecord], None] | None = None
    on_end: Callable[[PollRecord], None] | None = None
    capabilities: frozenset[str] = frozenset()
    records: list[PollRecord] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    ended: int = 0
    parked: Counter[swf.TaskList] = field(default_factory=Counter)
    _tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def in_flight(self) -> int:
        return len(self.records) - self.ended

    async def poll_for_decision_task(
        self,
        task_list: swf.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: swf.Hints | None = None,
    ) -> swf.DecisionTask | None:
        token = await self._answer(task_list, hold_s, hints, start_at_previous=start_at_previous)
        return None if token is None else decision_task(token, scheduled_at=self.clock.now())

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        token = await self._answer(task_list, hold_s, hints)
        return None if token is None else activity_task(token)

    async def _answer(
        self,
        task_list: swf.TaskList,
        hold_s: float | None,
        hints: swf.Hints | None,
        *,
        start_at_previous: bool = False,
    ) -> str | None:
        reply = self._told(self.script(task_list), hold_s, hints)
        record = PollRecord(
            task_list, self.clock.monotonic(), reply, asked_s=hold_s, start_at_previous=start_at_previous
        )
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

    def _told(self, reply: Reply, hold_s: float | None, hints: swf.Hints | None) -> Reply:
        """Exchange hints if this SWF does so; an empty answer then comes after ``hold_s`` at the latest."""
        if hints is not None:
            hints.capabilities = self.capabilities
            hints.scale, hints.backlog, hints.oldest_s = reply.scale, reply.backlog, reply.oldest_s
        if hold_s is None or "hold-hint" not in self.capabilities:
            return reply
        if hints is not None:
            hints.asked_s = hold_s
        shortened = not reply.task and reply.fault is None and (reply.after_s is None or reply.after_s > hold_s)
        return dataclasses.replace(reply, after_s=hold_s) if shortened else reply

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
