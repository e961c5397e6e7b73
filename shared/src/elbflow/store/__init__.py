"""Desired and observed state: what the API writes and the activities realise (spec/elb-control-plane section 2)."""

from __future__ import annotations

from elbflow.store.database import SchemaNewer, SchemaOutdated, Store, StoreBusy, StoreUnusable
from elbflow.store.load_balancers import LoadBalancerExists, LoadBalancerMissing
from elbflow.store.model import (
    AccessKey,
    Account,
    Backend,
    BackendState,
    Datapoint,
    Grants,
    Instance,
    Listed,
    LoadBalancer,
    LoadBalancerState,
    OutboxKind,
    OutboxRow,
    Principal,
    PrincipalKind,
    ServerCertificate,
    Vm,
    VmState,
    Zone,
    ZoneState,
)
from elbflow.store.principals import PrincipalExists
from elbflow.store.repositories import Repositories
from elbflow.store.schema import NotMigrated, migrate
from elbflow.store.server_certificates import ServerCertificateExists
from elbflow.store.urls import BadStoreUrl

__all__ = [
    "AccessKey",
    "Account",
    "Backend",
    "BackendState",
    "BadStoreUrl",
    "Datapoint",
    "Grants",
    "Instance",
    "Listed",
    "LoadBalancer",
    "LoadBalancerExists",
    "LoadBalancerMissing",
    "LoadBalancerState",
    "NotMigrated",
    "OutboxKind",
    "OutboxRow",
    "Principal",
    "PrincipalExists",
    "PrincipalKind",
    "Repositories",
    "SchemaNewer",
    "SchemaOutdated",
    "ServerCertificate",
    "ServerCertificateExists",
    "Store",
    "StoreBusy",
    "StoreUnusable",
    "Vm",
    "VmState",
    "Zone",
    "ZoneState",
    "migrate",
]
