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
        )
        answer = await self._transport.start("StartWorkflowExecution", members)
        return str(answer["runId"])

    async def signal_workflow_execution(
        self, domain: str, workflow_id: str, signal_name: str, *, run_id: str | None = None, input: str | None = None
    ) -> None:
        """Delivered at least once: SWF does not deduplicate, and a lost answer makes the call repeat."""
        members = present(domain=domain, workflowId=workflow_id, signalName=signal_name, runId=run_id, input=input)
        await self._transport.call("SignalWorkflowExecution", members)

    async def request_cancel_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None
    ) -> None:
        members = present(domain=domain, workflowId=workflow_id, runId=run_id)
        await self._transport.call("RequestCancelWorkflowExecution", members)

    async def terminate_workflow_execution(
        self, domain: str, workflow_id: str, *, run_id: str | None = None, reason: str | None = None
    ) -> None:
        members = present(domain=domain, workflowId=workflow_id, runId=run_id, reason=reason)
        await self._transport.call("TerminateWorkflowExecution", members)

    async def describe_workflow_execution(self, domain: str, execution: model.Execution) -> model.ExecutionDetail:
        members = {"domain": domain, "execution": serialize.execution(execution)}
        return parse.execution_detail(await self._transport.call("DescribeWorkflowExecution", members))

    async def get_workflow_execution_history(
        self, domain: str, execution: model.Execution, *, reverse: bool = False, limit: int | None = None
    ) -> Sequence[model.HistoryEvent]:
        members: dict[str, Any] = {
            "domain": domain,
            "execution": serialize.execution(execution),
            "reverseOrder": reverse,
            "maximumPageSize": PAGE_SIZE if limit is None else max(1, min(limit, PAGE_SIZE)),
        }
        events: list[model.HistoryEvent] = []
        while limit is None or len(events) < limit:
            async with self._transport.pages:
                answer = await self._transport.call("GetWorkflowExecutionHistory", members)
            events.extend(parse.events(answer))
            token = parse.next_page(answer)
            if token is None:
                break
            members["nextPageToken"] = token
        return tuple(events[:limit])

    async def list_open_workflow_executions(
        self, domain: str, *, workflow_id: str | None = None, tag: str | None = None
    ) -> Sequence[model.ExecutionInfo]:
        return await self._list("ListOpenWorkflowExecutions", domain, workflow_id, tag)

    async def list_closed_workflow_executions(
        self, domain: str, *, workflow_id: str | None = None, tag: str | None = None
    ) -> Sequence[model.ExecutionInfo]:
        return await self._list("ListClosedWorkflowExecutions", domain, workflow_id, tag)

    async def count_pending_tasks(self, task_list: model.TaskList) -> int:
        """Scheduled tasks that nobody has taken yet; approximate, and rationed to 6 calls/s per account on AWS."""
        decision = task_list.kind is model.TaskKind.DECISION
        operation = "CountPendingDecisionTasks" if decision else "CountPendingActivityTasks"
        members = {"domain": task_list.domain, "taskList": {"name": task_list.name}}
        answer = await self._transport.call(operation, members)
        return int(answer["count"])

    async def _list(
        self, operation: str, domain: str, workflow_id: str | None, tag: str | None
    ) -> Sequence[model.ExecutionInfo]:
        filters: Mapping[str, Any] = serialize.execution_filter(workflow_id, tag)
        members: dict[str, Any] = {"domain": domain, "maximumPageSize": PAGE_SIZE, **_EVER, **filters}
        rows: list[model.ExecutionInfo] = []
        while True:
            answer = await self._transport.call(operation, members)
            rows.extend(parse.execution_info(wire) for wire in answer.get("executionInfos") or ())
            token = parse.next_page(answer)
            if token is None:
                return tuple(rows)
            members["nextPageToken"] = token
