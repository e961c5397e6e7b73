"""The services of one account together leave more than half of every quota to others (spec/swf-long-poll-scale 5.7)."""

from __future__ import annotations

from pathlib import Path

from elbflow import swf
from elbflow.swf.quota_settings import PUBLISHED
from elbflow_activities.settings import ActivitiesSettings
from elbflow_agent.settings import HostSettings
from elbflow_api.settings import ApiSettings
from elbflow_decider.settings import DeciderSettings

TYPES = {"RegisterDomain", "RegisterWorkflowType", "RegisterActivityType"}
EXECUTIONS = {
    "StartWorkflowExecution",
    "SignalWorkflowExecution",
    "RequestCancelWorkflowExecution",
    "TerminateWorkflowExecution",
    "DescribeWorkflowExecution",
    "ListOpenWorkflowExecutions",
    "ListClosedWorkflowExecutions",
}
ACTIVITIES = {
    "PollForActivityTask",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "RespondActivityTaskCanceled",
    "RecordActivityTaskHeartbeat",
}
DECISIONS = {"PollForDecisionTask", "RespondDecisionTaskCompleted", "GetWorkflowExecutionHistory"}
PENDING = {"CountPendingActivityTasks", "CountPendingDecisionTasks"}


def test_the_default_shares_add_up_to_less_than_half_of_every_quota(tmp_path: Path) -> None:
    executable = "/bin/true"
    services = {
        ApiSettings(store_url="sqlite://"): TYPES | EXECUTIONS | PENDING,
        DeciderSettings(): TYPES | DECISIONS,
        ActivitiesSettings(store_url="sqlite://", agent_host_url="http://h"): TYPES | EXECUTIONS | ACTIVITIES,
        HostSettings(
            agent_run_dir=tmp_path,
            agent_redis_socket=tmp_path / "r",
            agent_token_file=tmp_path / "t",
            agent_haproxy=executable,
        ): TYPES | ACTIVITIES,
    }
    used = dict.fromkeys(TYPES | EXECUTIONS | ACTIVITIES | DECISIONS | PENDING, 0.0)
    for settings, operations in services.items():
        quotas = settings.client_settings().quotas
        assert quotas is not None, "without an endpoint of one's own it is Amazon's"
        for operation in operations:
            used[operation] += _part(quotas.of(operation), operation)
            if operation == "PollForDecisionTask":
                used[operation] += _part(quotas.of_short_call(operation), operation)
    assert {operation: part for operation, part in used.items() if not 0.0 < part < 0.5} == {}


def _part(quota: swf.Quota | None, operation: str) -> float:
    assert quota is not None
    return quota.per_s / PUBLISHED[operation].per_s
