"""Which function serves which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from elbflow_engine.core import (
    activities,
    api,
    decisions,
    domains,
    executions,
    history,
    members,
    polls,
    registered_types,
    signals,
    visibility,
)
from elbflow_engine.core.model import ACTIVITY, DECISION
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import World

Command: TypeAlias = Callable[[Work, str, api.Object], api.Json]
Query: TypeAlias = Callable[[World, str, api.Object, int], api.Answer]

_workflow_types = registered_types.Operations(registered_types.WORKFLOW)
_activity_types = registered_types.Operations(registered_types.ACTIVITY)


def _void(command: Callable[[Work, str, api.Object], None]) -> Command:
    def run(work: Work, account: str, params: api.Object) -> api.Json:
        command(work, account, params)
        return None

    return run


def _history(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """GetWorkflowExecutionHistory, as often as one execution may be asked for it (spec/swf-semantics 11.2)."""
    run = members.required_object(params, "execution")
    execution = account, members.text(params, "domain"), members.text(run, "workflowId"), members.text(run, "runId")
    world.rates.demand("GetWorkflowExecutionHistory", execution, now_ms)
    return history.of_execution(world, account, params, now_ms)


COMMANDS: dict[str, Command] = {
    "RegisterDomain": _void(domains.register),
    "DeprecateDomain": _void(domains.deprecate),
    "UndeprecateDomain": _void(domains.undeprecate),
    "TagResource": _void(domains.tag),
    "UntagResource": _void(domains.untag),
    "RegisterWorkflowType": _void(_workflow_types.register),
    "DeprecateWorkflowType": _void(_workflow_types.deprecate),
    "UndeprecateWorkflowType": _void(_workflow_types.undeprecate),
    "DeleteWorkflowType": _void(_workflow_types.delete),
    "RegisterActivityType": _void(_activity_types.register),
    "DeprecateActivityType": _void(_activity_types.deprecate),
    "UndeprecateActivityType": _void(_activity_types.undeprecate),
    "DeleteActivityType": _void(_activity_types.delete),
    "StartWorkflowExecution": executions.start,
    "SignalWorkflowExecution": _void(signals.signal_execution),
    "RequestCancelWorkflowExecution": _void(signals.request_cancel_execution),
    "TerminateWorkflowExecution": _void(signals.terminate_execution),
    "RespondDecisionTaskCompleted": _void(decisions.respond_completed),
    "RespondActivityTaskCompleted": _void(activities.respond_completed),
    "RespondActivityTaskFailed": _void(activities.respond_failed),
    "RespondActivityTaskCanceled": _void(activities.respond_canceled),
    "RecordActivityTaskHeartbeat": activities.heartbeat,
}

QUERIES: dict[str, Query] = {
    "DescribeDomain": domains.describe,
    "ListDomains": domains.list_all,
    "ListTagsForResource": domains.list_tags,
    "DescribeWorkflowType": _workflow_types.describe,
    "ListWorkflowTypes": _workflow_types.list_all,
    "DescribeActivityType": _activity_types.describe,
    "ListActivityTypes": _activity_types.list_all,
    "DescribeWorkflowExecution": visibility.describe,
    "ListOpenWorkflowExecutions": visibility.list_open,
    "ListClosedWorkflowExecutions": visibility.list_closed,
    "CountOpenWorkflowExecutions": visibility.count_open,
    "CountClosedWorkflowExecutions": visibility.count_closed,
    "GetWorkflowExecutionHistory": _history,
    "PollForDecisionTask": history.next_of_decision_task,
    "CountPendingActivityTasks": lambda world, account, params, _: polls.count_pending(
        world, account, ACTIVITY, params
    ),
    "CountPendingDecisionTasks": lambda world, account, params, _: polls.count_pending(
        world, account, DECISION, params
    ),
}
