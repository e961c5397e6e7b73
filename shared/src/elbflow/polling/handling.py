"""Running handlers: each in a task of its own that holds one slot of its lane until done (I4)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import structlog

from elbflow import clock as clocks
from elbflow import errors, swf
from elbflow.polling.lane import LaneState, Task
from elbflow.tasks import Supervisor

_SCHEDULED = "DecisionTaskScheduled"

_log = structlog.get_logger(__name__)


class Handlers:
    """``ended`` is called with the lane whenever one of its handlers has ended, in whatever way.

    ``aborted_at`` is the monotonic instant at which a drain will abort what still runs.
    """

    def __init__(self, clock: clocks.Clock, ended: Callable[[LaneState], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._supervisor = Supervisor()
        self._begun: set[asyncio.Task[None]] = set()
        self._aborts = 0
        self.aborted_at = math.inf

    def __len__(self) -> int:
        return len(self._supervisor)

    def start(self, lane: LaneState, task: Task, came_at: float) -> None:
        """Hand ``task``, which came at monotonic ``came_at``, to the lane's handler."""
        lane.running += 1
        lane.tasks += 1
        waited_s = scheduled_for(task, self._clock.now())
        if waited_s is not None:
            lane.metrics.schedule_to_start.observe(waited_s)
        self._supervisor.start(
            self._run(lane, task, came_at, self._aborts),
            f"handler-{lane.task_list.name}",
            lambda ended: self._finished(lane, task, ended),
        )

    def cancel(self) -> None:
        """Cancel the handlers that run now: they answer their tasks as cancelled.

        One that has not begun yet is cancelled at its first wait: it must have seen its task before (I4).
        """
        self._aborts += 1
        for task in self._begun:
            task.cancel()

    async def _run(self, lane: LaneState, task: Task, came_at: float, aborts: int) -> None:
        handling = asyncio.current_task()
        assert handling is not None, "handlers run in tasks"
        self._begun.add(handling)
        if aborts != self._aborts:
            handling.cancel()
        begun = self._clock.monotonic()
        lane.metrics.dispatch_delay.observe(max(0.0, begun - came_at))
        receiver = lane.receiver(self.aborted_at - begun)
        try:
            await receiver(task)
        except asyncio.CancelledError as error:
            if handling.cancelling():
                raise
            raise errors.Defect("the handler was not cancelled, but ended as if it had been") from error
        if receiver is lane.handler:
            lane.demand.handled(self._clock.monotonic() - begun)

    def _finished(self, lane: LaneState, task: Task, ended: asyncio.Task[None]) -> None:
        lane.running -= 1
        self._begun.discard(ended)
        if lane.parked == 0 and lane.free_slots == 1:
            lane.unpolled_since = self._clock.monotonic()  # without a free slot nothing was missed
        error = None if ended.cancelled() else ended.exception()
        if error is not None:
            lane.metrics.handler_failures.inc()
            _log.error(
                "task_handler_failed",
                task_list=lane.task_list.name,
                kind=lane.kind.value,
                workflow_id=task.execution.workflow_id,
                run_id=task.execution.run_id,
                exc_info=error,
            )
        self._ended(lane)


def scheduled_for(task: Task, now: float) -> float | None:
    """Seconds that a decision task had been waiting at wall-clock ``now``; None when its history does not tell.

    The last scheduled event is on the last page only. Activity tasks carry no history.
    """
    if not isinstance(task, swf.DecisionTask) or task.next_page_token is not None:
        return None
    scheduled = next((event for event in reversed(task.events) if event.type == _SCHEDULED), None)
    return None if scheduled is None else max(0.0, now - scheduled.timestamp)
