"""What every action gets besides its request: who calls, and what it works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow import clock as clocks
from elbflow import service, store
from elbflow.contract import document
from elbflow_api import faults, query, settings, waiting
from elbflow_api.cloud import base as clouds
from elbflow_api.rules import security_policies as predefined


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The action's tools."""

    db: store.Store
    workflows: waiting.Workflows
    settings: settings.ApiSettings
    clock: clocks.Clock
    cloud: clouds.Cloud
    """What is there besides load balancers. Never ask it inside a transaction."""
    security_policies: predefined.Catalogue = predefined.PACKAGED


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one caller, to be answered by ``deadline`` (monotonic)."""

    params: query.Params
    caller: service.Identity
    deadline: float
    named: document.LoadBalancerKey | None = None
    """The load balancer that is meant, where the request does not give its name and the caller's account."""
    every_account: bool = False
    """An administrator asked for the load balancers of all accounts (spec/elb-control-plane 1.3)."""
    quotas: Mapping[str, int] = field(default_factory=dict)
    """Limits of the caller's own, by the names of DescribeAccountLimits; others have the settings' values."""

    may_see: Callable[[Sequence[str]], Awaitable[frozenset[str]]] | None = None
    """Tells which of some load balancers a list may show to the caller, by their names; None when it may show all."""

    @property
    def key(self) -> document.LoadBalancerKey:
        """The load balancer that the request names; the name as given, which may exist in another case."""
        return self.named or document.LoadBalancerKey(self.caller.account, self.params.text("LoadBalancerName"))


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
