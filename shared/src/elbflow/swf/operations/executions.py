"""Starting, steering and looking at workflow executions (spec/swf-semantics 6.3, 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from elbflow.swf import model, parse, serialize
from elbflow.swf.serialize import present
from elbflow.swf.transport import Transport

PAGE_SIZE = 1000
_EVER = {"startTimeFilter": {"oldestDate": datetime.fromtimestamp(0, UTC)}}


class ExecutionOperations:
    """Control calls and visibility."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start_workflow_execution(
        self,
        domain: str,
        workflow_id: str,
        workflow_type: model.TypeId,
        *,
        input: str | None = None,
        task_list: str | None = None,
        tags: Sequence[str] = (),
        execution_timeout: timedelta | None = None,
        decision_timeout: timedelta | None = None,
        child_policy: str | None = None,
        priority: int | None = None,
    ) -> str:
        """The run id. ``AlreadyStarted`` with ``after_ambiguous`` set may be this very call: compare its input."""
        members = present(
            domain=domain,
            workflowId=workflow_id,
            workflowType=serialize.type_id(workflow_type),
            input=input,
            taskList=serialize.task_list(task_list),
            tagList=list(tags) or None,
            executionStartToCloseTimeout=serialize.seconds(execution_timeout),
            taskStartToCloseTimeout=serialize.seconds(decision_timeout),
            childPolicy=child_policy,
            taskPriority=serialize.whole_number(priority),
        )
        return await self._transport.call("StartWorkflowExecution", members, parse.run_id)

    async def signal_workflow_execution(
        self, domain: str, workflow_id: str, signal_name: str, *, run_id: str | None = None, input: str | None = None
    ) -> None:
        """Delivered at least once: SWF does not deduplicate, and a lost answer makes the call repeat."""
        members = present(domain=domain, workflowId=workflow_id, signalName=signal_name, runId=run_id, input=input)
        await self._transport.call("SignalWorkflowExecution", members, parse.nothing)

    async def request_cancel_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None
    ) -> None:
        members = present(domain=domain, workflowId=workflow_id, runId=run_id)
        await self._transport.call("RequestCancelWorkflowExecution", members, parse.nothing)

    async def terminate_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None, reason: str | None = None
    ) -> None:
        members = present(domain=domain, workflowId=workflow_id, runId=run_id, reason=reason)
        await self._transport.call("TerminateWorkflowExecution", members, parse.nothing)

    async def describe_workflow_execution(self, domain: str, execution: model.Execution) -> model.ExecutionDetail:
        members = {"domain": domain, "execution": serialize.execution(execution)}
        return await self._transport.call("DescribeWorkflowExecution", members, parse.execution_detail)

    async def get_workflow_execution_history(
        self, domain: str, execution: model.Execution, *, reverse: bool = False, limit: int | None = None
    ) -> Sequence[model.HistoryEvent]:
        members: dict[str, Any] = {
            "domain": domain,
            "execution": serialize.execution(execution),
            "reverseOrder": reverse,
            "maximumPageSize": _page_size(limit),
        }
        events: list[model.HistoryEvent] = []
        while limit is None or len(events) < limit:
            async with self._transport.pages:
                page, token = await self._transport.call("GetWorkflowExecutionHistory", members, parse.history_page)
            events.extend(page)
            if token is None:
                break
            members["nextPageToken"] = token
        return tuple(events[:limit])

    async def list_open_workflow_executions(
        self,
        domain: str,
        *,
        workflow_id: str | None = None,
        tag: str | None = None,
        workflow_type: model.TypeId | None = None,
        limit: int | None = None,
    ) -> Sequence[model.ExecutionInfo]:
        wanted = serialize.execution_filter(workflow_id, tag, workflow_type)
        return await self._list("ListOpenWorkflowExecutions", domain, wanted, limit)

    async def list_closed_workflow_executions(
        self,
        domain: str,
        *,
        workflow_id: str | None = None,
        tag: str | None = None,
        workflow_type: model.TypeId | None = None,
        limit: int | None = None,
    ) -> Sequence[model.ExecutionInfo]:
        wanted = serialize.execution_filter(workflow_id, tag, workflow_type)
        return await self._list("ListClosedWorkflowExecutions", domain, wanted, limit)

    async def count_pending_tasks(self, task_list: model.TaskList) -> int:
        """Scheduled tasks that nobody has taken yet; approximate, and rationed to 6 calls/s per account on AWS."""
        decision = task_list.kind is model.TaskKind.DECISION
        operation = "CountPendingDecisionTasks" if decision else "CountPendingActivityTasks"
        members = {"domain": task_list.domain, "taskList": {"name": task_list.name}}
        return await self._transport.call(operation, members, parse.count)

    async def _list(
        self, operation: str, domain: str, wanted: Mapping[str, Any], limit: int | None
    ) -> Sequence[model.ExecutionInfo]:
        members: dict[str, Any] = {"domain": domain, "maximumPageSize": _page_size(limit), **_EVER, **wanted}
        rows: list[model.ExecutionInfo] = []
        while limit is None or len(rows) < limit:
            page, token = await self._transport.call(operation, members, parse.listing_page)
            rows.extend(page)
            if token is None:
                break
            members["nextPageToken"] = token
        return tuple(rows[:limit])


def _page_size(limit: int | None) -> int:
    return PAGE_SIZE if limit is None else max(1, min(limit, PAGE_SIZE))
