"""Names that tools and operators rely on (spec/elb-control-plane 4.1, 4.2, 5.2, 6.1)."""

from __future__ import annotations

from elbflow.contract.document import LoadBalancerKey

DOMAIN = "LoadbalancingDomain"
TASK_LIST = "LoadBalancerTasks"
RETENTION_DAYS = 1
SERVICE_HEALTH_WORKFLOW_ID = "loadbalancing-service-state-workflow-01"
VM_POLICY = "euca-internal-loadbalancer-vm-policy"
ACCESS_LOG_POLICY = "euca-internal-loadbalancer-vm-policy-accesslog"

IAM_AUTHORITY = "iam-authority"
"""Kind of the store's resource that holds what IAM signs VMs' certificates with; it belongs to no load balancer."""
SERVICE_TAG = ("service-type", "loadbalancing")


def create_workflow_id(key: LoadBalancerKey, created_at: float) -> str:
    """``created_at`` (epoch seconds) makes the id that of one life of the name."""
    return f"create-loadbalancer-{key.account}-{key.name}-{round(created_at * 1000)}"


def delete_workflow_id(key: LoadBalancerKey, created_at: float) -> str:
    return f"delete-loadbalancer-{key.account}-{key.name}-{round(created_at * 1000)}"


def update_workflow_id(key: LoadBalancerKey) -> str:
    return f"update-loadbalancer-{key.account}-{key.name}"


def instance_status_workflow_id(key: LoadBalancerKey) -> str:
    return f"instance-status-{key.account}-{key.name}"


def cloudwatch_workflow_id(key: LoadBalancerKey) -> str:
    return f"cloudwatch-put-metric-{key.account}-{key.name}"


def continuous_workflow_ids(key: LoadBalancerKey) -> tuple[str, str, str]:
    """The three executions that live as long as the load balancer."""
    return update_workflow_id(key), instance_status_workflow_id(key), cloudwatch_workflow_id(key)


def workflow_tags(key: LoadBalancerKey) -> tuple[str, str]:
    """Tags of every execution that belongs to a load balancer."""
    return f"account:{key.account}", f"loadbalancer:{key.name}"


def role_name(key: LoadBalancerKey) -> str:
    """IAM role and instance profile of a load balancer's VMs."""
    return f"loadbalancer-vm-{key.account}-{key.name}"


def role_arn(system_account: str, role: str) -> str:
    """ARN of such a role; roles of VMs belong to the system account (spec/vm-agent-data-plane 1.3)."""
    return f"arn:aws:iam::{system_account}:role/internal/loadbalancer/{role}"


def security_group_name(key: LoadBalancerKey) -> str:
    return f"euca-internal-{key.account}-{key.name}"


def scaling_group_name(key: LoadBalancerKey, zone: str) -> str:
    return f"euca-internal-elb-{key.account}-{key.name}-{zone}"[:255]


def certificate_policy_prefix(key: LoadBalancerKey) -> str:
    return f"loadbalancer-iam-policy-{key.account}-{key.name}-"


def certificate_policy_name(key: LoadBalancerKey, certificate_arn: str) -> str:
    """Role policy that lets the VMs download one certificate; certificates go by their name, as in IAM."""
    return certificate_policy_prefix(key) + certificate_arn.rsplit("/", 1)[-1]


def access_log_test_key(key: LoadBalancerKey, prefix: str) -> str:
    """Key of the object that shows that access logs can be written (spec/vm-agent-data-plane 6.1)."""
    return "/".join(part for part in (prefix.strip("/"), "AWSLogs", key.account, "ELBAccessLogTestFile") if part)
