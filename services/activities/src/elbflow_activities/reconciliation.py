"""What the cloud and the silence of VMs say of a backend instance (spec/elb-control-plane 10.3, 10.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow import store
from elbflow.store import conditions
from elbflow_activities.cloud import base

STALE_S = 360.0

_PENDING = frozenset({base.InstancePhase.PENDING})
_OF_VMS = (conditions.REGISTERING, conditions.UNREACHABLE)
"""What only means something where there are VMs."""

_STOPPED = frozenset({base.InstancePhase.STOPPING, base.InstancePhase.STOPPED})


@dataclass(frozen=True, slots=True)
class Correction:
    """What to change of one row. ``ask_vms``: VMs may know its health and have no reason to say so again."""

    instance_id: str
    remove: bool = False
    condition: conditions.Condition | None = None
    location: tuple[str, str | None] | None = None
    ask_vms: bool = False


def correction(
    lb: store.LoadBalancer, backend: store.Backend, found: base.UserInstance | None, now: float
) -> Correction | None:
    """How the row departs from the truth; None when it does not."""
    if found is not None and found.phase is base.InstancePhase.TERMINATED:
        return Correction(backend.instance_id, remove=True)
    location = None
    if found is not None and found.address and (found.address, found.zone) != (backend.address, backend.zone):
        location = (found.address, found.zone)
    condition = _by_cloud(backend, found) or _by_silence(lb, backend, now)
    if condition in _OF_VMS and backend.zone is not None and backend.zone not in lb.enabled_zones:
        condition = conditions.ZONE_DISABLED
    if condition is not None and condition.describes(backend):
        condition = None
    if condition is None and location is None:
        return None
    asks = condition is conditions.REGISTERING
    return Correction(backend.instance_id, condition=condition, location=location, ask_vms=asks)


def _by_cloud(backend: store.Backend, found: base.UserInstance | None) -> conditions.Condition | None:
    if found is None:
        return None
    if found.phase in _PENDING:
        return conditions.REGISTERING
    if found.phase in _STOPPED:
        return conditions.STOPPED
    if found.phase is base.InstancePhase.SHUTTING_DOWN:
        return conditions.UNUSABLE
    if conditions.STOPPED.describes(backend) or conditions.UNUSABLE.describes(backend):
        return conditions.REGISTERING
    return None


def _by_silence(lb: store.LoadBalancer, backend: store.Backend, now: float) -> conditions.Condition | None:
    """Unreachable after six minutes without a sign of life of any VM that could know; waiting again once there is one.

    VMs report health only when it changes, so an old report alone means nothing; every report of a VM counts.
    """
    if conditions.STOPPED.describes(backend) or conditions.ZONE_DISABLED.describes(backend):
        return None
    heard = max((vm.reported_at or 0.0 for vm in lb.vms if backend.zone in (vm.zone, None)), default=0.0)
    if now - max(heard, backend.reported_at or backend.registered_at) > STALE_S:
        return conditions.UNREACHABLE
    return conditions.REGISTERING if conditions.is_unreachable(backend) else None
