"""Carrying out fake activities in the virtual loop, with heartbeats and cancellation as a real worker would."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from elbflow import swf
from elbflow.flow import errors, failures, registry, signatures
from elbflow.flow.activity_context import ActivityContext, enter
from elbflow.flow.testing import fakes
from elbflow.flow.testing.entities import OpenActivity
from elbflow.flow.testing.errors import TestingError, UnexpectedActivity
from elbflow.flow.testing.swf_run import SwfRun
from elbflow.flow.testing.virtual_loop import VirtualLoop

Fakes = Mapping[signatures.Activity[..., Any], Any] | registry.ActivityRegistry


_AFTERWARDS_S = 0.001
"""A limit is not over before SWF has had its turn at that instant."""


class VirtualClock:
    """The environment's time as a :class:`elbflow.clock.Clock`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        return self._now()

    def monotonic(self) -> float:
        return self._now()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))


@dataclass(frozen=True, slots=True)
class Call:
    """An activity that was carried out, in the order in which they were begun."""

    activity: signatures.Activity[..., Any]
    arguments: tuple[Any, ...]
    workflow_id: str
    task_list: str


class Worker:
    """Begins fakes; each answers its activity when it ends, if the activity is still open then."""

    def __init__(self, known: Fakes, loop: VirtualLoop) -> None:
        self.calls: list[Call] = []
        self._known = _bound(known)
        self._loop = loop
        self._clock = VirtualClock(loop.time)

    def begin(self, run: SwfRun, open_: OpenActivity) -> None:
        """Take an activity and start its fake. Raises UnexpectedActivity for one that has none."""
        if open_.activity_type not in self._known:
            raise self._unexpected(run, open_)
        activity, fake = self._known[open_.activity_type]
        if isinstance(fake, fakes.TimesOut) and fake.timeout_type == "SCHEDULE_TO_START":
            open_.untaken = True  # its limit ends it
            return
        run.start_activity(open_.scheduled_id)
        work = self._carry_out(run, open_, activity, fake)
        self._loop.create_task(work, name=f"activity-{open_.activity_id}").add_done_callback(_look)

    async def _carry_out(
        self, run: SwfRun, open_: OpenActivity, activity: signatures.Activity[..., Any], fake: Any
    ) -> None:
        arguments = activity.decode_arguments(open_.input)
        scheduled = run.events[open_.scheduled_id - 1].attributes["taskList"]
        task_list = str(scheduled["name"]) if isinstance(scheduled, Mapping) else ""
        self.calls.append(Call(activity, arguments, run.execution.workflow_id, task_list))
        context = self._context(run, open_)
        work = asyncio.create_task(fakes.invoke(fake, arguments), context=enter(context))
        context.started(work)
        beating = self._keep_alive(context, activity)
        try:
            await asyncio.wait({work})
            await _outlast(open_, work, beating)
        finally:
            work.cancel()
            if beating is not None:
                beating.cancel()
        if run.closed is None and run.activities.get(open_.scheduled_id) is open_:
            _answer(run, open_, activity, work, cancelled=context.cancel_requested)

    def _context(self, run: SwfRun, open_: OpenActivity) -> ActivityContext:
        kind = open_.activity_type
        task = swf.ActivityTask(
            f"token-{open_.scheduled_id}", open_.activity_id, kind, run.execution, open_.started_id, open_.input
        )
        # Of SWF an activity's context needs the heartbeat alone.
        return ActivityContext(cast(swf.Service, _Heartbeats(run, open_)), task, self._clock)

    def _keep_alive(
        self, context: ActivityContext, activity: signatures.Activity[..., Any]
    ) -> asyncio.Task[None] | None:
        heartbeat = activity.options.heartbeat
        if heartbeat is None:
            return None
        pace = random.Random(0)  # noqa: S311  # spreads heartbeats, always alike
        return asyncio.create_task(context.keep_alive(heartbeat.total_seconds(), pace))

    def _unexpected(self, run: SwfRun, open_: OpenActivity) -> UnexpectedActivity:
        kind, workflow = open_.activity_type, run.workflow_type.name
        known = ", ".join(sorted(f"{one.name} {one.version}" for one in self._known)) or "none at all"
        return UnexpectedActivity(
            f"{workflow} ({run.execution.workflow_id}) asked for activity {kind.name} {kind.version} with "
            f"{open_.input}, and the test has no fake for it; it has fakes for: {known}"
        )


class _Heartbeats:
    """As much of an SWF as a running activity sees."""

    def __init__(self, run: SwfRun, open_: OpenActivity) -> None:
        self._run = run
        self._open = open_

    async def record_activity_task_heartbeat(self, _token: str, details: str | None = None) -> bool:
        if self._run.closed is not None or self._run.activities.get(self._open.scheduled_id) is not self._open:
            raise swf.UnknownResource("the activity is closed")
        self._open.beat_at = self._run.now
        self._open.details = details if details is not None else self._open.details
        return bool(self._open.cancel_request_id)


async def _outlast(open_: OpenActivity, work: asyncio.Task[Any], beating: asyncio.Task[None] | None) -> None:
    """Wait until the limit is over with which the activity is to time out, if it has one."""
    error = None if work.cancelled() else work.exception()
    if not isinstance(error, fakes.TimesOut):
        return
    open_.details = error.details or open_.details
    if error.timeout_type == "HEARTBEAT" and beating is not None:
        beating.cancel()
    for instant, kind in open_.deadlines():
        if kind == error.timeout_type:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(instant - loop.time() + _AFTERWARDS_S)


def _answer(
    run: SwfRun,
    open_: OpenActivity,
    activity: signatures.Activity[..., Any],
    work: asyncio.Task[Any],
    *,
    cancelled: bool,
) -> None:
    try:
        value = work.result()
    except fakes.Never:
        return
    except AssertionError:
        raise  # the test's own word, not the activity's
    except fakes.TimesOut as error:
        said = {"timeoutType": error.timeout_type, "details": open_.details}
        run.close_activity(open_.scheduled_id, "TimedOut", **said)
    except asyncio.CancelledError as error:
        if cancelled:
            run.close_activity(open_.scheduled_id, "Canceled")
        else:
            _fail(run, open_, error)
    except Exception as error:
        _fail(run, open_, error)
    else:
        run.close_activity(open_.scheduled_id, "Completed", result=_encoded(activity, value))


def _encoded(activity: signatures.Activity[..., Any], value: Any) -> str:
    try:
        text = activity.encode_result(value)
        activity.decode_result(text)  # encoding lets a None pass
    except errors.PayloadMismatch as error:
        raise TestingError(f"the fake of {activity.name} gave {value!r}, which is not its result: {error}") from error
    return text


def _look(task: asyncio.Task[None]) -> None:
    """Let an error that is the test's own end the test."""
    if not task.cancelled():
        task.result()


def _fail(run: SwfRun, open_: OpenActivity, error: BaseException) -> None:
    reason, details = failures.encode(error)
    run.close_activity(open_.scheduled_id, "Failed", reason=reason, details=details)


def _bound(known: Fakes) -> dict[swf.TypeId, tuple[signatures.Activity[..., Any], Any]]:
    if isinstance(known, registry.ActivityRegistry):
        found = [known.find(activity.type) for activity in known.activities()]
        return {one.activity.type: (one.activity, one.implementation) for one in found if one is not None}
    return {activity.type: (activity, fake) for activity, fake in known.items()}
