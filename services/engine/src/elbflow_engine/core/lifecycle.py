"""How executions begin and end (spec/swf-semantics 3.5, 9)."""

from __future__ import annotations

from elbflow_engine.core import decision_task, evolution, model, plan
from elbflow_engine.core.deadlines import Kind
from elbflow_engine.core.model import Execution, Header
from elbflow_engine.core.work import Closure, Work


def start(work: Work, planned: plan.Plan, run_id: str | None = None) -> Execution:
    """Create the execution and its first two events."""
    world = work.world
    execution_id = world.next_execution_id
    world.next_execution_id += 1
    header = Header(
        id=execution_id,
        account=planned.account,
        domain=planned.domain,
        workflow_id=planned.workflow_id,
        run_id=run_id or work.run_id(),
        workflow_type=planned.workflow_type,
        settings=planned.settings,
        tags=planned.tags,
        parent=planned.parent,
        parent_initiated_id=planned.parent_initiated_id,
        start_ms=work.now_ms,
    )
    execution = Execution(header)
    world.add_open(execution)
    work.put("meta", "next_execution_id", world.next_execution_id)
    work.put("execution", str(execution_id), header)
    work.append(execution, "WorkflowExecutionStarted", plan.started_attributes(planned))
    work.watch(execution, Kind.EXECUTION)
    decision_task.demand(work, execution)
    return execution


def close(
    work: Work,
    execution: Execution,
    event_type: str,
    attributes: evolution.Attributes,
    *,
    child_policy: str | None = None,
) -> None:
    """Append the close event and let go of everything open.

    ``child_policy`` is applied to the open children; None leaves them alone (only termination, timeout and the event
    limit apply one). The rest of the family is told afterwards, see :mod:`.children`.
    """
    world, header = work.world, execution.header
    for task in execution.tasks():
        world.matching.withdraw(task)
    for activity in execution.activities.values():
        if activity.heartbeat_ms is not None:
            work.delete("heartbeat", model.heartbeat_key(execution.id, activity.scheduled_id))
    open_children = list(execution.children.values())
    work.append(execution, event_type, attributes)
    world.remove_open(header)
    work.closed(header)
    work.closures.append(Closure(header, event_type, attributes, open_children, child_policy))


def terminate(
    work: Work,
    execution: Execution,
    cause: str,
    *,
    child_policy: str | None = None,
    reason: str | None = None,
    details: str | None = None,
) -> None:
    """Close TERMINATED; ``child_policy`` replaces the execution's own."""
    policy = child_policy or execution.header.settings.child_policy
    attributes: dict[str, object] = {"childPolicy": policy, "cause": cause}
    if reason is not None:
        attributes["reason"] = reason
    if details is not None:
        attributes["details"] = details
    close(work, execution, "WorkflowExecutionTerminated", attributes, child_policy=policy)


def time_out(work: Work, execution: Execution) -> None:
    """The execution's own START_TO_CLOSE expired."""
    policy = execution.header.settings.child_policy
    attributes = {"timeoutType": "START_TO_CLOSE", "childPolicy": policy}
    close(work, execution, "WorkflowExecutionTimedOut", attributes, child_policy=policy)


def continue_as_new(work: Work, execution: Execution, planned: plan.Plan, completed_id: int) -> None:
    """Close the run and start its successor in the same unit, so that no other start slips between (9.1)."""
    run_id = work.run_id()
    attributes = plan.configuration(planned) | {
        "decisionTaskCompletedEventId": completed_id,
        "newExecutionRunId": run_id,
    }
    close(work, execution, "WorkflowExecutionContinuedAsNew", attributes)
    start(work, planned, run_id)
