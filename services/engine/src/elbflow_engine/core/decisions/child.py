"""StartChildWorkflowExecution (spec/swf-semantics 7.12)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, children, choices, defaults, members, model, plan
from elbflow_engine.core.decisions.batch import Batch


def start(batch: Batch, attributes: api.Object) -> None:
    """Announce a child; it is started after the batch. Refusals before that have no Initiated event."""
    key = members.type_key(attributes, "workflowType")
    workflow_id = members.text(attributes, "workflowId")
    failure: dict[str, object] = {
        "workflowType": model.type_structure(key),
        "workflowId": workflow_id,
        "decisionTaskCompletedEventId": batch.completed_id,
        **members.given(attributes, "control"),
    }
    settings = defaults.for_decision(batch.domain, key, attributes)
    cause = choices.first_cause(_obstacles(batch, settings))
    if cause is not None or isinstance(settings, defaults.Undefined):
        not_initiated = failure | {"initiatedEventId": choices.NOT_INITIATED}
        batch.fail("StartChildWorkflowExecutionFailed", str(cause), not_initiated)
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


def _obstacles(batch: Batch, settings: object) -> Iterator[str]:
    limits, children_open = batch.work.world.limits, batch.execution.children.values()
    yield from batch.denied("StartChildWorkflowExecution")
    if isinstance(settings, defaults.Undefined):
        yield settings.cause
    if len(children_open) >= limits.open_children:
        yield "OPEN_CHILDREN_LIMIT_EXCEEDED"
    announced = sum(not child.started_id for child in children_open)
    if batch.domain.open_executions + announced >= limits.open_executions:
        yield "OPEN_WORKFLOWS_LIMIT_EXCEEDED"
    if not batch.admit("StartChildWorkflowExecution"):
        yield "CHILD_CREATION_RATE_EXCEEDED"
