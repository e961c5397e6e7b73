"""What DescribeInstanceHealth says (spec/elb-control-plane 10.1, in the words AWS publishes)."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow import store

NOT_APPLICABLE = "N/A"


@dataclass(frozen=True, slots=True)
class HealthState:
    """One canonical state of an instance."""

    state: store.BackendState
    reason_code: str
    description: str


REGISTERING = HealthState(store.BackendState.OUT_OF_SERVICE, "ELB", "Instance registration is still in progress.")
ZONE_DISABLED = HealthState(
    store.BackendState.OUT_OF_SERVICE,
    "ELB",
    "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to.",
)
NOT_REGISTERED = HealthState(
    store.BackendState.OUT_OF_SERVICE, "Instance", "Instance is not currently registered with the LoadBalancer."
)


def of(backend: store.Backend, problems: str = "", *, original: bool) -> HealthState:
    """As the API answers it: never empty, and without the original's state Error unless ``original``.

    ``problems`` of listeners change neither state nor cause, which are the instance's: they are told in addition. What
    cannot be known now is Unknown at AWS; an instance that cannot work is OutOfService.
    """
    state = backend.state
    if state is store.BackendState.ERROR and not original:
        unknown = backend.reason_code == "ELB"
        state = store.BackendState.UNKNOWN if unknown else store.BackendState.OUT_OF_SERVICE
    own = "" if problems and backend.description == NOT_APPLICABLE else backend.description
    description = f"{own} {problems}".strip() or NOT_APPLICABLE
    return HealthState(state, backend.reason_code or NOT_APPLICABLE, description)
