"""Steps that several workflows share, with what undoes them (spec/elb-control-plane 4.5, 4.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow.contract.document import LoadBalancerKey

A = TypeVar("A")
B = TypeVar("B")


async def both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Both at the same time. When one fails the other is let finish, so that what it did is known and undone."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two


async def together(*steps: Awaitable[object]) -> None:
    """All at the same time, to the end of each; then the first failure, if any."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


# --- listeners (4.5) -----------------------------------------------------------------------------------------------


async def create_listeners(undo: flow.Compensation, wanted: workflows.ListenersInput) -> None:
    """Let the load balancer's VMs serve the wanted listeners, whose rows exist."""
    key, ports = wanted.key, wanted.ports
    if not ports:
        return
    if wanted.certificates:
        await activities.listener_check_certificates(key, ports)
    steps: list[Awaitable[object]] = []
    if wanted.certificates:
        steps.append(authorize_certificates(undo, key, ports))
    steps.append(_authorize_ingress(undo, key, ports))
    if wanted.health_check:
        steps.append(activities.listener_default_health_check(key))
    await together(*steps)


async def authorize_certificates(undo: flow.Compensation, key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    """Let the load balancer's VMs fetch the certificates of the listeners on ``ports``."""
    policies = await activities.listener_authorize_certificates(key, ports)
    if policies:
        undo.push(activities.listener_authorize_certificates_rollback, key, policies)


async def _authorize_ingress(undo: flow.Compensation, key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    opened = await activities.listener_authorize_ingress(key, ports)
    undo.push(activities.listener_authorize_ingress_rollback, key, opened)


# --- zones (4.7) ---------------------------------------------------------------------------------------------------


async def enable_zones(
    undo: flow.Compensation, key: LoadBalancerKey, zones: tuple[str, ...], profile: str, group: str
) -> None:
    """Give each zone its VMs, then count the zones as enabled."""
    await together(*(_scaling_group(undo, key, zone, profile, group) for zone in zones))
    await activities.enable_zones_persist(key, zones)
    undo.push(activities.enable_zones_persist_rollback, key, zones)
    await activities.enable_zones_reset_backends(key, zones)


async def _scaling_group(undo: flow.Compensation, key: LoadBalancerKey, zone: str, profile: str, group: str) -> None:
    # Pushed first: a step that failed halfway may have launched VMs. The rollback spares zones that were enabled.
    undo.push(activities.scaling_group_setup_rollback, key, activities.ScalingGroups((zone,)))
    await activities.scaling_group_setup(key, profile, group, (zone,))
