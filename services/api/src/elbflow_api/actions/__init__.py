"""What each operation does: one file per family, each action a small function."""

from __future__ import annotations

from collections.abc import Mapping

from elbflow_api.actions import attributes, create, delete, describe, health, instances, listeners, policies, zones
from elbflow_api.dependencies import Action

ACTIONS: Mapping[str, Action] = {
    "ConfigureHealthCheck": health.configure_health_check,
    "CreateLBCookieStickinessPolicy": policies.create_lb_cookie_stickiness_policy,
    "CreateLoadBalancer": create.create_load_balancer,
    "CreateLoadBalancerListeners": listeners.create_load_balancer_listeners,
    "DeleteLoadBalancer": delete.delete_load_balancer,
    "DeleteLoadBalancerListeners": listeners.delete_load_balancer_listeners,
    "DeregisterInstancesFromLoadBalancer": instances.deregister_instances,
    "DescribeInstanceHealth": health.describe_instance_health,
    "DescribeLoadBalancerAttributes": attributes.describe_load_balancer_attributes,
    "DescribeLoadBalancers": describe.describe_load_balancers,
    "DescribeTags": describe.describe_tags,
    "DisableAvailabilityZonesForLoadBalancer": zones.disable_availability_zones,
    "EnableAvailabilityZonesForLoadBalancer": zones.enable_availability_zones,
    "ModifyLoadBalancerAttributes": attributes.modify_load_balancer_attributes,
    "RegisterInstancesWithLoadBalancer": instances.register_instances,
    "SetLoadBalancerPoliciesOfListener": policies.set_load_balancer_policies_of_listener,
}
"""The operations that are served. The model's others are answered with ``UnsupportedOperation``."""
