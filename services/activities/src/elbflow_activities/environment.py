"""What every activity works with."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow import clock, objects, store
from elbflow_activities import executions
from elbflow_activities.cloud import base


@dataclass(frozen=True, slots=True)
class Policy:
    """What operators may choose (spec/elb-control-plane 7.1). ``failures_to_recycle`` <= 0 recycles nothing."""

    vms_per_zone: int = 1
    failures_to_recycle: int = 24


@dataclass(frozen=True, slots=True)
class Environment:
    """The store, the cloud, the workflow executions, and the time.

    Never call the cloud or SWF inside a transaction of the store: both are slow, and the local cloud writes to the
    same database.
    """

    db: store.Store
    cloud: base.Cloud
    executions: executions.Executions
    clock: clock.Clock
    policy: Policy = Policy()
    objects: objects.Objects | None = None
    """Where access logs go; None: nowhere."""
