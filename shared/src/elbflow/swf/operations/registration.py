"""Registering domains and types (spec/swf-semantics 6.1, 6.2)."""

from __future__ import annotations

from datetime import timedelta

from elbflow.swf import model, parse, serialize
from elbflow.swf.serialize import present
from elbflow.swf.transport import Transport


class RegistrationOperations:
    """Registering raises :class:`elbflow.swf.AlreadyExists`; a type's configuration can never change afterwards."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def register_domain(self, name: str, *, retention_days: int) -> None:
        members = {"name": name, "workflowExecutionRetentionPeriodInDays": str(retention_days)}
        await self._transport.call("RegisterDomain", members, parse.nothing)

    async def register_workflow_type(
        self,
        domain: str,
        workflow_type: model.TypeId,
        *,
        task_list: str | None = None,
        execution_timeout: timedelta | None = None,
        decision_timeout: timedelta | None = None,
        child_policy: str | None = None,
        priority: int | None = None,
    ) -> None:
        """None leaves a default out: starting then has to name the value."""
        members = present(
            domain=domain,
            name=workflow_type.name,
            version=workflow_type.version,
            defaultTaskList=serialize.task_list(task_list),
            defaultExecutionStartToCloseTimeout=serialize.seconds(execution_timeout),
            defaultTaskStartToCloseTimeout=serialize.seconds(decision_timeout),
            defaultChildPolicy=child_policy,
            defaultTaskPriority=serialize.whole_number(priority),
        )
        await self._transport.call("RegisterWorkflowType", members, parse.nothing)

    async def register_activity_type(
        self,
        domain: str,
        activity_type: model.TypeId,
        *,
        task_list: str | None = None,
        schedule_to_start: timedelta | None = None,
        start_to_close: timedelta | None = None,
        schedule_to_close: timedelta | None = None,
        heartbeat: timedelta | None = None,
        priority: int | None = None,
    ) -> None:
        members = present(
            domain=domain,
            name=activity_type.name,
            version=activity_type.version,
            defaultTaskList=serialize.task_list(task_list),
            defaultTaskScheduleToStartTimeout=serialize.seconds_or_none(schedule_to_start),
            defaultTaskStartToCloseTimeout=serialize.seconds_or_none(start_to_close),
            defaultTaskScheduleToCloseTimeout=serialize.seconds_or_none(schedule_to_close),
            defaultTaskHeartbeatTimeout=serialize.seconds_or_none(heartbeat),
            defaultTaskPriority=serialize.whole_number(priority),
        )
        await self._transport.call("RegisterActivityType", members, parse.nothing)

    async def describe_workflow_type(self, domain: str, workflow_type: model.TypeId) -> model.TypeDetail:
        members = {"domain": domain, "workflowType": serialize.type_id(workflow_type)}
        return await self._transport.call("DescribeWorkflowType", members, parse.type_detail)

    async def describe_activity_type(self, domain: str, activity_type: model.TypeId) -> model.TypeDetail:
        members = {"domain": domain, "activityType": serialize.type_id(activity_type)}
        return await self._transport.call("DescribeActivityType", members, parse.type_detail)
