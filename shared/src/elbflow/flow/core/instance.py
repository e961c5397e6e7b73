"""One run of a workflow: its object, its loop, its open activities and timers, fed with one decision at a time.

An instance that stays in memory between decisions would be fed only the new batch: that is the place for a cache of
sticky instances. Today every decision replays the whole history (see ``decide``).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from elbflow import errors as roots
from elbflow import swf
from elbflow.flow import codec, errors
from elbflow.flow.core import closing, commands, context, events, location, matching, news
from elbflow.flow.core.loop import Loop

if TYPE_CHECKING:
    from elbflow.flow.definition import WorkflowDefinition
    from elbflow.flow.signatures import Activity


class Instance:
    """A workflow run. :meth:`advance` carries it through one decision; :meth:`close` puts it away."""

    def __init__(
        self, definition: WorkflowDefinition, execution: swf.Execution, patches: frozenset[str] = frozenset()
    ) -> None:
        self.definition = definition
        self.execution = execution
        self.loop = Loop(self, self._start_timer)  # type: ignore[abstract]  # it refuses whatever it does not define
        self.replaying = False
        self.state: str | None = None
        self.workflow: Any = None
        self.main: asyncio.Task[Any] | None = None
        self.scheduled: dict[int, commands.Activity] = {}
        self.timers: dict[str, commands.Timer] = {}
        self.cancel_requested = False
        self.close_refused = False
        self.close_retry_refused = False
        self.refusal: errors.TimerRefused | None = None
        self.dropped_signals: list[str] = []
        self._close_retry: commands.Timer | None = None
        self._outbox = commands.Outbox()
        self._conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._recorded_patches = patches
        self._patches: dict[str, bool] = {}
        self._activity_ids = 0
        self._timer_ids = 0
        self._history_length = 0
        self._started: swf.HistoryEvent | None = None
        self._input: object = None
        self._defect: BaseException | None = None
        self._ended = False

    # --- fed by decide -----------------------------------------------------------------------------------------

    def advance(self, batch: events.Batch) -> tuple[commands.Command, ...]:
        """Carry the workflow through one decision and return the commands it gives.

        A recorded decision is held against the record. Raises :class:`errors.NonDeterminism`, or another defect of
        the workflow's code; the instance is of no use afterwards.
        """
        self.replaying = batch.recorded is not None
        self._history_length = batch.started.id
        self.loop.move_to(batch.started.timestamp)
        if self.close_retry_refused:
            self._close_again()
        try:
            with self.loop.entered():
                for event in batch.news:
                    news.apply(self, event)
                self._settle()
                self._end()
        except roots.Defect:
            raise
        except Exception as error:
            raise closing.defect(error) from error
        taken = self._outbox.take()
        if self.replaying:
            matching.match(taken, batch, self._whereabouts)
        return taken

    def close(self) -> None:
        """Unwind the workflow's tasks without giving their cleanup any effect."""
        self.replaying = True
        self.loop.close_tasks()
        self._conditions.clear()

    def start(self, event: swf.HistoryEvent) -> None:
        """Make the workflow object and its main task."""
        self._started = event
        self._input = codec.decode(news.text(event, "input"), self.definition.signature.input_type)
        self.workflow = self.definition.cls()
        self.main = self.loop.create_task(self.workflow.run(self._input), name="run")

    # --- asked by workflow code --------------------------------------------------------------------------------

    def next_activity_id(self) -> str:
        self._activity_ids += 1
        return str(self._activity_ids)

    async def run_activity(self, activity: Activity[..., Any], activity_id: str, payload: str) -> str | None:
        """Schedule one attempt and give its encoded result. Cancelled here, SWF is asked to cancel the activity."""
        if self.loop.closing:
            raise errors.InstanceClosed
        future: asyncio.Future[str | None] = self.loop.create_future()
        attributes = _schedule(activity, activity_id, payload)
        attempt = commands.Activity(self._outbox, self.scheduled, activity.name, attributes, future)
        try:
            return await future
        except asyncio.CancelledError:
            if not self.loop.closing:
                attempt.request_cancel()
            raise

    def when(self, predicate: Callable[[], bool]) -> asyncio.Future[None]:
        """A future that is done as soon as ``predicate`` holds."""
        future: asyncio.Future[None] = self.loop.create_future()
        self._conditions.append((predicate, future))
        return future

    def patched(self, name: str) -> bool:
        if name not in self._patches:
            self._patches[name] = name in self._recorded_patches or not self.replaying
            if name not in self._recorded_patches and not self.replaying:
                attributes = {"markerName": events.PATCH_MARKER, "details": name}
                self._outbox.add(swf.Decision("RecordMarker", attributes))
        return self._patches[name]

    def withhold(self, error: BaseException) -> None:
        """Stop here: ``error`` is a defect, and nothing may follow from it."""
        self._defect = self._defect or error

    def info(self) -> context.WorkflowInfo:
        assert self._started is not None, "workflow code runs only after its start event"
        attributes = self._started.attributes
        tags, task_list = attributes.get("tagList"), attributes.get("taskList")
        continued = attributes.get("continuedExecutionRunId")
        return context.WorkflowInfo(
            workflow_id=self.execution.workflow_id,
            run_id=self.execution.run_id,
            type=self.definition.type,
            input=self._input,
            tags=tuple(str(tag) for tag in tags) if isinstance(tags, (list, tuple)) else (),
            task_list=str(task_list.get("name")) if isinstance(task_list, dict) else "",
            started_at=datetime.fromtimestamp(self._started.timestamp, UTC),
            continued_from=str(continued) if continued else None,
            history_length=self._history_length,
            cancel_requested=self.cancel_requested,
        )

    # --- inside ------------------------------------------------------------------------------------------------

    def _start_timer(self, delay_s: float, fire: Callable[[], None]) -> commands.Timer:
        # History times are whole milliseconds, sums of floats are not: 2.0000001 s must not become 3.
        self._timer_ids += 1
        seconds = math.ceil(round(min(delay_s, commands.LONGEST_TIMER_S), 3))
        timer = commands.Timer(self._outbox, str(self._timer_ids), seconds, fire)
        self.timers[timer.timer_id] = timer
        return timer

    def _settle(self) -> None:
        self.loop.run_ready(self._over)
        while not self._over() and self._wake():
            self.loop.run_ready(self._over)
        if self.loop.callback_error is not None:
            self.withhold(self.loop.callback_error)
        if self._defect is not None:
            raise closing.defect(self._defect)

    def _over(self) -> bool:
        return self.main is None or self.main.done() or self._defect is not None

    def _wake(self) -> bool:
        woken = False
        for predicate, future in self._conditions:
            if not future.done() and predicate():
                future.set_result(None)
                woken = True
        self._conditions = [entry for entry in self._conditions if not entry[1].done()]
        return woken

    def _end(self) -> None:
        """Once the workflow has ended: close the execution, or wait a minute after SWF refused that."""
        if self.main is None or not self.main.done():
            return
        error = asyncio.CancelledError() if self.main.cancelled() else self.main.exception()
        decision = self._close_decision(self.main, error)
        if not self._ended:
            self._ended = True
            self._outbox.keep_markers_only()
        if not self.close_refused:
            at = location.of_error(error) if error is not None else ""
            self._outbox.add(decision, at=at or location.of_function(self.definition.cls.run))
        elif self._close_retry is None:
            self._close_retry = self._start_timer(closing.RETRY_S, self._close_again)

    def _close_again(self) -> None:
        self.close_refused, self.close_retry_refused, self._close_retry = False, False, None

    def _close_decision(self, main: asyncio.Task[Any], error: BaseException | None) -> swf.Decision:
        signature = self.definition.signature
        if error is None:
            return closing.completed(main.result(), signature.output_type)
        successor = closing.continuation(error)
        if successor is not None and self._started is not None:
            return closing.continued(successor.value, signature, self._started.attributes)
        return closing.ending(error, cancel_requested=self.cancel_requested, refusal=self.refusal)

    def _whereabouts(self) -> str:
        return "" if self.main is None or self.main.done() else location.of_task(self.main)


def _schedule(activity: Activity[..., Any], activity_id: str, payload: str) -> swf.Attributes:
    """ScheduleActivityTask with all time limits spelled out; only the list is left to the type's default."""
    options = activity.options
    attributes: dict[str, swf.Json] = {
        "activityType": {"name": activity.name, "version": activity.version},
        "activityId": activity_id,
        "input": payload,
        "scheduleToStartTimeout": _limit(options.schedule_to_start),
        "startToCloseTimeout": _limit(options.start_to_close),
        "scheduleToCloseTimeout": _limit(options.schedule_to_close),
        "heartbeatTimeout": _limit(options.heartbeat),
    }
    if options.task_list is not None:
        attributes["taskList"] = {"name": options.task_list}
    return attributes


def _limit(limit: timedelta | None) -> str:
    return "NONE" if limit is None else str(math.ceil(limit.total_seconds()))
