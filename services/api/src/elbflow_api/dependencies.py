"""What every action gets besides its request: who calls, and what it works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow import clock as clocks
from elbflow import service, store
from elbflow.contract import document
from elbflow_api import faults, query, settings, waiting


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The action's tools."""

    db: store.Store
    workflows: waiting.Workflows
    settings: settings.ApiSettings
    clock: clocks.Clock


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one caller, to be answered by ``deadline`` (monotonic)."""

    params: query.Params
    caller: service.Identity
    deadline: float

    @property
    def key(self) -> document.LoadBalancerKey:
        """The load balancer that the request names; the name as given, which may exist in another case."""
        return document.LoadBalancerKey(self.caller.account, self.params.text("LoadBalancerName"))


Action: TypeAlias = Callable[[Call, Dependencies], Awaitable[query.Response]]


async def active(
    tx: store.Repositories, key: document.LoadBalancerKey, *, for_update: bool = False
) -> store.LoadBalancer:
    """The load balancer if users can see it; raises ``LoadBalancerNotFound`` otherwise.

    One that is being created or deleted does not exist for users.
    """
    lb = await tx.load_balancers.find(key, for_update=for_update)
    if lb is None or lb.state is not store.LoadBalancerState.ACTIVE:
        raise faults.load_balancer_not_found(key.name)
    return lb
