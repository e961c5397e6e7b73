"""Answers to tasks (spec/swf-long-poll-scale 5.14, spec/swf-semantics 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from elbflow.swf import model, parse, serialize
from elbflow.swf.serialize import present
from elbflow.swf.transport import Transport


class TaskOperations:
    """Responds and heartbeats. A respond whose first try got lost may find its task closed: that is success."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def respond_decision_task_completed(
        self,
        token: str,
        decisions: Sequence[model.Decision],
        *,
        execution_context: str | None = None,
        task_list: str | None = None,
        schedule_to_start: timedelta | None = None,
    ) -> None:
        """With ``task_list`` the next decision tasks go there (spec/swf-semantics 3.6)."""
        members = present(
            taskToken=token,
            decisions=serialize.decisions(decisions),
            executionContext=execution_context,
            taskList=serialize.task_list(task_list),
            taskListScheduleToStartTimeout=serialize.seconds(schedule_to_start),
        )
        await self._transport.respond("RespondDecisionTaskCompleted", members)

    async def respond_activity_task_completed(self, token: str, result: str | None = None) -> None:
        await self._transport.respond("RespondActivityTaskCompleted", present(taskToken=token, result=result))

    async def respond_activity_task_failed(self, token: str, reason: str, details: str | None = None) -> None:
        members = present(taskToken=token, reason=reason, details=details)
        await self._transport.respond("RespondActivityTaskFailed", members)

    async def respond_activity_task_canceled(self, token: str, details: str | None = None) -> None:
        await self._transport.respond("RespondActivityTaskCanceled", present(taskToken=token, details=details))

    async def record_activity_task_heartbeat(self, token: str, details: str | None = None) -> bool:
        members = present(taskToken=token, details=details)
        return await self._transport.call("RecordActivityTaskHeartbeat", members, parse.cancel_requested)
