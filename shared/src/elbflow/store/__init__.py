"""Desired and observed state: what the API writes and the activities realise (spec/elb-control-plane section 2)."""

from __future__ import annotations

from elbflow.store.database import SchemaOutdated, Store, StoreBusy
from elbflow.store.load_balancers import LoadBalancerExists, LoadBalancerMissing
from elbflow.store.model import (
    AccessKey,
    Backend,
    BackendState,
    Datapoint,
    Instance,
    LoadBalancer,
    LoadBalancerState,
    OutboxKind,
    OutboxRow,
    Vm,
    VmState,
    Zone,
    ZoneState,
)
from elbflow.store.repositories import Repositories
from elbflow.store.schema import migrate

__all__ = [
    "AccessKey",
    "Backend",
    "BackendState",
    "Datapoint",
    "Instance",
    "LoadBalancer",
    "LoadBalancerExists",
    "LoadBalancerMissing",
    "LoadBalancerState",
    "OutboxKind",
    "OutboxRow",
    "Repositories",
    "SchemaOutdated",
    "Store",
    "StoreBusy",
    "Vm",
    "VmState",
    "Zone",
    "ZoneState",
    "migrate",
]
