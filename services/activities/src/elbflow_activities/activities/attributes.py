"""Load-balancer attributes (spec/elb-control-plane 5.7)."""

from __future__ import annotations

from dataclasses import replace

from elbflow.contract import document
from elbflow_activities import changes
from elbflow_activities.environment import Environment


class Attributes:
    """What ModifyLoadBalancerAttributes stores."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def persist_attributes(self, key: document.LoadBalancerKey, attributes: document.Attributes) -> int:
        """Stored first, signalled after the commit: the VMs never get older values than Describe shows."""
        async with changes.changing(self._env, key) as change:
            change.push = True
            await change.tx.load_balancers.set_attributes(change.lb.id, _normal(attributes))
        return change.generation


def _normal(attributes: document.Attributes) -> document.Attributes:
    """Without the settings of access logs that are off."""
    if attributes.access_log_enabled:
        return attributes
    return replace(attributes, access_log_bucket=None, access_log_prefix="", access_log_interval_min=60)
