"""What each operation does: one file per family, each action a small function."""

from __future__ import annotations

from collections.abc import Mapping

from elbflow_api.actions import (
    attachments,
    attributes,
    certificates,
    create,
    delete,
    describe,
    health,
    instances,
    limits,
    listeners,
    policies,
    security_groups,
    subnets,
    tags,
    zones,
)
from elbflow_api.dependencies import Action

ACTIONS: Mapping[str, Action] = {
    "AddTags": tags.add_tags,
    "ApplySecurityGroupsToLoadBalancer": security_groups.apply_security_groups_to_load_balancer,
    "AttachLoadBalancerToSubnets": subnets.attach_load_balancer_to_subnets,
    "ConfigureHealthCheck": health.configure_health_check,
    "CreateAppCookieStickinessPolicy": policies.create_app_cookie_stickiness_policy,
    "CreateLBCookieStickinessPolicy": policies.create_lb_cookie_stickiness_policy,
    "CreateLoadBalancer": create.create_load_balancer,
    "CreateLoadBalancerListeners": listeners.create_load_balancer_listeners,
    "CreateLoadBalancerPolicy": policies.create_load_balancer_policy,
    "DeleteLoadBalancer": delete.delete_load_balancer,
    "DeleteLoadBalancerListeners": listeners.delete_load_balancer_listeners,
    "DeleteLoadBalancerPolicy": policies.delete_load_balancer_policy,
    "DeregisterInstancesFromLoadBalancer": instances.deregister_instances,
    "DescribeAccountLimits": limits.describe_account_limits,
    "DescribeInstanceHealth": health.describe_instance_health,
    "DescribeLoadBalancerAttributes": attributes.describe_load_balancer_attributes,
    "DescribeLoadBalancerPolicies": policies.describe_load_balancer_policies,
    "DescribeLoadBalancerPolicyTypes": policies.describe_load_balancer_policy_types,
    "DescribeLoadBalancers": describe.describe_load_balancers,
    "DescribeTags": describe.describe_tags,
    "DetachLoadBalancerFromSubnets": subnets.detach_load_balancer_from_subnets,
    "DisableAvailabilityZonesForLoadBalancer": zones.disable_availability_zones,
    "EnableAvailabilityZonesForLoadBalancer": zones.enable_availability_zones,
    "ModifyLoadBalancerAttributes": attributes.modify_load_balancer_attributes,
    "RegisterInstancesWithLoadBalancer": instances.register_instances,
    "RemoveTags": tags.remove_tags,
    "SetLoadBalancerListenerSSLCertificate": certificates.set_load_balancer_listener_ssl_certificate,
    "SetLoadBalancerPoliciesForBackendServer": attachments.set_load_balancer_policies_for_backend_server,
    "SetLoadBalancerPoliciesOfListener": attachments.set_load_balancer_policies_of_listener,
}
"""The operations that are served. The model's others are answered with ``UnsupportedOperation``."""
