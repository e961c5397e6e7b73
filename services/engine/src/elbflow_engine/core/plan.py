"""An execution about to be started, with every value resolved, and how that is said in events."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow_engine.core import api, model
from elbflow_engine.core.model import Run, Settings, TypeKey


@dataclass(frozen=True, slots=True)
class Plan:
    """What :func:`lifecycle.start` needs to know."""

    account: str
    domain: str
    workflow_id: str
    workflow_type: TypeKey
    settings: Settings
    input: str | None = None
    tags: list[str] | None = None
    parent: Run | None = None
    parent_initiated_id: int = 0
    continued_run_id: str | None = None


def started_attributes(plan: Plan) -> dict[str, api.Json]:
    """Attributes of WorkflowExecutionStarted."""
    attributes = configuration(plan)
    attributes["parentInitiatedEventId"] = plan.parent_initiated_id
    if plan.parent is not None:
        attributes["parentWorkflowExecution"] = model.workflow_execution(plan.parent)
    if plan.continued_run_id is not None:
        attributes["continuedExecutionRunId"] = plan.continued_run_id
    return attributes


def configuration(plan: Plan) -> dict[str, api.Json]:
    """What a start, a continuation and a child initiation say in the same words."""
    attributes = settings_attributes(plan.settings)
    attributes["workflowType"] = model.type_structure(plan.workflow_type)
    if plan.input is not None:
        attributes["input"] = plan.input
    if plan.tags is not None:
        attributes["tagList"] = plan.tags
    return attributes


def settings_attributes(settings: Settings) -> dict[str, api.Json]:
    """The configuration members of events and of DescribeWorkflowExecution."""
    attributes: dict[str, api.Json] = {
        "executionStartToCloseTimeout": settings.execution_timeout,
        "taskStartToCloseTimeout": settings.task_timeout,
        "childPolicy": settings.child_policy,
        "taskList": {"name": settings.task_list},
    }
    if settings.task_priority is not None:
        attributes["taskPriority"] = settings.task_priority
    if settings.lambda_role is not None:
        attributes["lambdaRole"] = settings.lambda_role
    return attributes
