"""StartWorkflowExecution (spec/swf-semantics 6.3: 21)."""

from __future__ import annotations

from elbflow_engine.core import api, choices, defaults, faults, lifecycle, members, plan
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import DEPRECATED


def start(work: Work, account: str, params: api.Object) -> api.Json:
    """Start an execution; at most one with its workflow id is open in a domain."""
    world = work.world
    domain = world.domain(account, members.text(params, "domain"))
    if domain.status == DEPRECATED:
        raise choices.fault_in_deprecated_domain(domain.name)
    key = members.type_key(params, "workflowType")
    registered = domain.workflow_types.get(key)
    if registered is None:
        raise faults.unknown_type("WorkflowType", *key)
    if registered.status == DEPRECATED:
        raise faults.Fault("TypeDeprecatedFault", faults.type_text("WorkflowType", *key))
    settings = defaults.resolve(params, registered.configuration)
    if isinstance(settings, defaults.Undefined):
        raise faults.Fault("DefaultUndefinedFault", settings.member)
    workflow_id = members.text(params, "workflowId")
    if (account, domain.name, workflow_id) in world.current:
        raise faults.Fault("WorkflowExecutionAlreadyStartedFault", "Already Started")
    if domain.open_executions >= world.limits.open_executions:
        raise faults.Fault("LimitExceededFault", "The maximum number of open executions is reached")
    planned = plan.Plan(
        account=account,
        domain=domain.name,
        workflow_id=workflow_id,
        workflow_type=key,
        settings=settings,
        input=members.maybe_text(params, "input"),
        tags=members.texts(params, "tagList"),
    )
    return {"runId": lifecycle.start(work, planned).header.run_id}
