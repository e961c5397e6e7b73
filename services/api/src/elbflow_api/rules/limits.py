"""How much an account may have: DescribeAccountLimits, and what other calls enforce (spec/elb-control-plane 1.6)."""

from __future__ import annotations

from collections.abc import Mapping

from elbflow_api import query
from elbflow_api.rules import listeners
from elbflow_api.settings import ApiSettings

LOAD_BALANCERS = "classic-load-balancers"
LISTENERS = "classic-listeners"
INSTANCES = "classic-registered-instances"


def of(quotas: Mapping[str, int], settings: ApiSettings) -> dict[str, int]:
    """All limits in AWS's order; ``quotas`` are the account's own.

    No quota allows more listeners and instances than the service can carry.
    """
    usual = {
        LOAD_BALANCERS: settings.max_load_balancers,
        LISTENERS: listeners.MOST_LISTENERS,
        INSTANCES: settings.max_instances,
    }
    chosen = {name: max(0, quotas.get(name, most)) for name, most in usual.items()}
    for name in (LISTENERS, INSTANCES):
        chosen[name] = min(chosen[name], usual[name])
    return chosen


def too_many_load_balancers(most: int) -> query.Fault:
    return query.modelled(
        "TooManyAccessPointsException", f"The quota for the number of load balancers has been reached: {most}"
    )
