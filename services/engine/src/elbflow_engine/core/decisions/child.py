"""StartChildWorkflowExecution (spec/swf-semantics 7.12)."""

from __future__ import annotations

from elbflow_engine.core import api, children, defaults, members, model, plan
from elbflow_engine.core.decisions.batch import Batch
from elbflow_engine.core.model import Settings, TypeKey


def start(batch: Batch, attributes: api.Object) -> None:
    """Announce a child; it is started after the batch. Refusals before that carry initiatedEventId 0."""
    key = members.type_key(attributes, "workflowType")
    workflow_id = members.text(attributes, "workflowId")
    failure: dict[str, object] = {
        "workflowType": model.type_structure(key),
        "workflowId": workflow_id,
        "decisionTaskCompletedEventId": batch.completed_id,
        **members.given(attributes, "control"),
    }
    settings = _settle(batch, key, attributes)
    if isinstance(settings, str):
        batch.fail("StartChildWorkflowExecutionFailed", settings, failure | {"initiatedEventId": 0})
        return
    planned = plan.Plan(
        account=batch.execution.header.account,
        domain=batch.execution.header.domain,
        workflow_id=workflow_id,
        workflow_type=key,
        settings=settings,
        input=members.maybe_text(attributes, "input"),
        tags=members.texts(attributes, "tagList"),
        parent=batch.execution.header.run,
        parent_initiated_id=batch.execution.next_id,
    )
    event = plan.configuration(planned) | {"workflowId": workflow_id} | members.given(attributes, "control")
    initiated_id = batch.append("StartChildWorkflowExecutionInitiated", event)
    batch.work.deliveries.append(children.start_delivery(planned, initiated_id, failure))


def _settle(batch: Batch, key: TypeKey, attributes: api.Object) -> Settings | str:
    """The child's settings, or the first cause that forbids it."""
    limits, domain = batch.work.world.limits, batch.domain
    try:
        settings = defaults.for_decision(domain, key, attributes)
    except defaults.Undefined as undefined:
        return undefined.cause
    if len(batch.execution.children) >= limits.open_children:
        return "OPEN_CHILDREN_LIMIT_EXCEEDED"
    announced = sum(not child.started_id for child in batch.execution.children.values())
    if domain.open_executions + announced >= limits.open_executions:
        return "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    return settings if batch.admit("StartChildWorkflowExecution") else "CHILD_CREATION_RATE_EXCEEDED"
