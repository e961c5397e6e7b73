"""Whether VMs can be told of a load balancer, in which case users may configure it so (design section 4)."""

from __future__ import annotations

import orjson

from elbflow import store
from elbflow.contract import document, transport
from elbflow_api import faults
from elbflow_api.rules import attachments

SURE = 200_000
"""Bytes of a configuration that can grow by any one change and still reaches the VMs: 384,000 characters do."""


def is_sure(lb: store.LoadBalancer) -> bool:
    """Whether any one change may be made without looking. Policies count that are not in use yet."""
    return len(orjson.dumps(_told(lb, lb.policies))) <= SURE


def require(lb: store.LoadBalancer) -> None:
    """Raise ``InvalidConfigurationRequest`` for a configuration that could not reach the VMs."""
    used = attachments.in_use(lb)
    try:
        transport.require_transportable(_told(lb, tuple(policy for policy in lb.policies if policy.name in used)))
    except transport.TooLarge as error:
        raise faults.invalid_configuration(str(error)) from error


def _told(lb: store.LoadBalancer, policies: tuple[document.Policy, ...]) -> document.LoadBalancerDocument:
    """No less than what the VMs of any zone are told."""
    return document.LoadBalancerDocument(
        key=lb.key,
        generation=lb.generation,
        zone=max((zone.name for zone in lb.zones), key=len, default=""),
        listeners=lb.listeners,
        backends=tuple(
            document.BackendInstance(one.instance_id, one.address, report_health=False) for one in lb.backends
        ),
        health_check=lb.health_check,
        policies=policies,
        backend_policies=lb.backend_policies,
        attributes=lb.attributes,
    )
