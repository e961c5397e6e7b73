"""The workflows, one file each (spec/elb-control-plane section 4).

They import ``elbflow.flow``, ``elbflow.contract`` and pure standard library, nothing else: whatever they do is an
activity, so that a history always replays to the same decisions.
"""

from __future__ import annotations

from elbflow_decider.workflows.apply_security_groups import ApplySecurityGroups
from elbflow_decider.workflows.create_listeners import CreateLoadBalancerListeners
from elbflow_decider.workflows.create_load_balancer import CreateLoadBalancer
from elbflow_decider.workflows.delete_listeners import DeleteLoadBalancerListeners
from elbflow_decider.workflows.delete_load_balancer import DeleteLoadBalancer
from elbflow_decider.workflows.disable_zone import DisableAvailabilityZone
from elbflow_decider.workflows.enable_zone import EnableAvailabilityZone
from elbflow_decider.workflows.modify_attributes import ModifyLoadBalancerAttributes
from elbflow_decider.workflows.poll_instance_status import PollInstanceStatus
from elbflow_decider.workflows.put_cloudwatch_metric import PutCloudWatchMetric
from elbflow_decider.workflows.service_health_check import PerformServiceHealthCheck
from elbflow_decider.workflows.set_certificate import SetLoadBalancerListenerSSLCertificate
from elbflow_decider.workflows.update_load_balancer import UpdateLoadBalancer

__all__ = [
    "ALL",
    "ApplySecurityGroups",
    "CreateLoadBalancer",
    "CreateLoadBalancerListeners",
    "DeleteLoadBalancer",
    "DeleteLoadBalancerListeners",
    "DisableAvailabilityZone",
    "EnableAvailabilityZone",
    "ModifyLoadBalancerAttributes",
    "PerformServiceHealthCheck",
    "PollInstanceStatus",
    "PutCloudWatchMetric",
    "SetLoadBalancerListenerSSLCertificate",
    "UpdateLoadBalancer",
]

ALL: tuple[type, ...] = (
    CreateLoadBalancer,
    DeleteLoadBalancer,
    CreateLoadBalancerListeners,
    DeleteLoadBalancerListeners,
    SetLoadBalancerListenerSSLCertificate,
    EnableAvailabilityZone,
    DisableAvailabilityZone,
    ModifyLoadBalancerAttributes,
    ApplySecurityGroups,
    UpdateLoadBalancer,
    PollInstanceStatus,
    PutCloudWatchMetric,
    PerformServiceHealthCheck,
)
