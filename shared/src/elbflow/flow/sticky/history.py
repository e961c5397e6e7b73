"""Getting the history that a decision task is about."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import clock as clocks
from elbflow import swf

_PAUSES_S = (0.1, 0.3, 1.0)


class History:
    """The history of one decision task, as far as it has been fetched.

    ``polled`` is the list the task came from; from one that is polled with ``startAtPreviousStartedEvent`` it brings
    only the events since the last answered decision (spec/swf-semantics 3.4).
    """

    def __init__(
        self,
        service: swf.Service,
        task: swf.DecisionTask,
        polled: swf.TaskList,
        *,
        identity: str,
        only_new: bool,
        clock: clocks.Clock,
    ) -> None:
        self._service = service
        self._task = task
        self._polled = polled
        self._identity = identity
        self._only_new = only_new
        self._clock = clock
        self._brought: list[swf.HistoryEvent] | None = None

    async def brought(self) -> Sequence[swf.HistoryEvent]:
        """What the task brings, all pages. Raises the errors of SWF."""
        if self._brought is None:
            events, page_token = list(self._task.events), self._task.next_page_token
            while page_token is not None:
                page, page_token = await self._service.decision_task_page(
                    self._polled, page_token, identity=self._identity, start_at_previous=self._only_new
                )
                events += page
            self._brought = events
        return self._brought

    async def whole(self) -> Sequence[swf.HistoryEvent]:
        """All events up to the task's start: what the task does not bring is fetched. Raises the errors of SWF.

        Only the events before its window are asked for: they are there to stay, while GetWorkflowExecutionHistory may
        lag behind the present. :class:`swf.Unavailable` if even they are missing after a few tries.
        """
        window = await self.brought()
        first = window[0].id if window else 1
        if first == 1:
            return window
        for pause_s in _PAUSES_S:
            before = await self._before(first)
            if len(before) == first - 1:
                return [*before, *window]
            await self._clock.sleep(pause_s)
        raise swf.Unavailable(f"GetWorkflowExecutionHistory lacks events before {first}")

    async def _before(self, first: int) -> Sequence[swf.HistoryEvent]:
        return await self._service.get_workflow_execution_history(
            self._polled.domain, self._task.execution, limit=first - 1
        )
