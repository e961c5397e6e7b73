"""Removing from the cloud whatever carries a load balancer's names (spec/elb-control-plane 5.2, 11.1 no. 4)."""

from __future__ import annotations

from elbflow.contract import document, names
from elbflow_activities.environment import Environment


async def remove_scaling_groups(env: Environment, key: document.LoadBalancerKey) -> None:
    """Delete the scaling groups of all zones, enabled or not, with their VMs."""
    for zone in await env.cloud.zones():
        await env.cloud.delete_scaling_group(names.scaling_group_name(key, zone))


async def remove_all(env: Environment, key: document.LoadBalancerKey) -> None:
    """Delete everything that belongs to the load balancer. Cancelled, a part of it is left: repeat it."""
    await remove_scaling_groups(env, key)
    await env.cloud.delete_instance_profile(names.role_name(key))
    await env.cloud.delete_role(names.role_name(key))
    await env.cloud.delete_security_group(names.security_group_name(key))
