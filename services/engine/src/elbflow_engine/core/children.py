"""What passes between a parent and its children: starts, outcomes, child policies (spec/swf-semantics 3.9, 9.2)."""

from __future__ import annotations

from elbflow_engine.core import choices, decision_task, evolution, lifecycle, model, signals
from elbflow_engine.core.model import Child, Execution, Header
from elbflow_engine.core.plan import Plan
from elbflow_engine.core.work import Closure, Delivery, Work

_OUTCOME_DETAILS = {
    "WorkflowExecutionCompleted": ("result",),
    "WorkflowExecutionFailed": ("reason", "details"),
    "WorkflowExecutionCanceled": ("details",),
    "WorkflowExecutionTimedOut": ("timeoutType",),
    "WorkflowExecutionTerminated": (),
}


def start_delivery(plan: Plan, initiated_id: int, failure: evolution.Attributes) -> Delivery:
    """Start the child that ``StartChildWorkflowExecutionInitiated`` announced and tell the parent how it went.

    ``failure`` holds the attributes of a failure event without its cause.
    """

    def deliver(work: Work) -> None:
        assert plan.parent is not None
        if _forbidden(work, plan):
            return
        key = (plan.account, plan.domain, plan.workflow_id)
        if key in work.world.current:
            attributes = failure | {"cause": "WORKFLOW_ALREADY_RUNNING", "initiatedEventId": initiated_id}
            _tell(work, plan.account, plan.domain, plan.parent, "StartChildWorkflowExecutionFailed", attributes)
            return
        child = lifecycle.start(work, plan)
        started = {
            "workflowExecution": model.workflow_execution(child.header.run),
            "workflowType": model.type_structure(plan.workflow_type),
            "initiatedEventId": initiated_id,
        }
        _tell(work, plan.account, plan.domain, plan.parent, "ChildWorkflowExecutionStarted", started)

    return deliver


def closed(closure: Closure) -> list[Delivery]:
    """Whom a closed execution concerns: its open children, when a policy applies, and its parent."""
    header, policy = closure.header, closure.child_policy
    deliveries: list[Delivery] = []
    if policy is not None:
        deliveries += (_policy_delivery(header, child, policy) for child in closure.open_children)
    if header.parent is not None and header.close_status != "CONTINUED_AS_NEW":
        deliveries.append(_outcome_delivery(header, closure.event_type, closure.attributes))
    return deliveries


def _outcome_delivery(header: Header, event_type: str, attributes: evolution.Attributes) -> Delivery:
    """Tell the parent that its child, or the last run of it, closed."""

    def deliver(work: Work) -> None:
        assert header.parent is not None
        parent = work.world.find_open(header.account, header.domain, *header.parent)
        child = None if parent is None else parent.children.get(header.parent_initiated_id)
        if parent is None or child is None:
            return
        outcome: evolution.Attributes = {
            "workflowExecution": choices.outcome_run(child.run_id, model.workflow_execution(header.run)),
            "workflowType": model.type_structure(header.workflow_type),
            "initiatedEventId": child.initiated_id,
            "startedEventId": child.started_id,
        }
        for name in _OUTCOME_DETAILS[event_type]:
            if name in attributes:
                outcome[name] = attributes[name]
        work.append(parent, f"Child{event_type}", outcome)
        decision_task.demand(work, parent)

    return deliver


def _policy_delivery(parent: Header, child: Child, policy: str) -> Delivery:
    """Apply a closed parent's policy to one child that was open at that moment."""

    def deliver(work: Work) -> None:
        execution = _current_run(work, parent, child)
        if execution is None:
            return
        if policy == "TERMINATE":
            lifecycle.terminate(work, execution, "CHILD_POLICY_APPLIED")
        elif policy == "REQUEST_CANCEL":
            signals.request_cancel(work, execution, choices.policy_cancel())

    return deliver


def _current_run(work: Work, parent: Header, child: Child) -> Execution | None:
    """The child's open run; it may have continued as new since it was started."""
    execution = work.world.find_open(parent.account, parent.domain, child.workflow_id, None)
    if execution is None:
        return None
    link = (execution.header.parent, execution.header.parent_initiated_id)
    return execution if link == (parent.run, child.initiated_id) else None


def _forbidden(work: Work, plan: Plan) -> bool:
    """A parent closed with policy TERMINATE before its child was started takes the child with it.

    That happens in one unit, for a child is started in the unit that initiates it.
    """
    assert plan.parent is not None
    header = work.ended.get((plan.account, plan.domain, *plan.parent))
    return (
        header is not None
        and header.close_status in ("TERMINATED", "TIMED_OUT")
        and header.settings.child_policy == "TERMINATE"
    )


def _tell(
    work: Work, account: str, domain: str, parent: model.Run, event_type: str, attributes: evolution.Attributes
) -> None:
    """Append to the parent, if it is still open, and let it decide."""
    execution = work.world.find_open(account, domain, *parent)
    if execution is not None:
        work.append(execution, event_type, attributes)
        decision_task.demand(work, execution)
