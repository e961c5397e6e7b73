"""What DescribeInstanceHealth says (spec/elb-control-plane 10.1, in the wording AWS publishes)."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow import store

NOT_APPLICABLE = "N/A"


@dataclass(frozen=True, slots=True)
class HealthState:
    """One canonical state of a backend instance."""

    state: store.BackendState
    reason_code: str
    description: str


REGISTERING = HealthState(store.BackendState.OUT_OF_SERVICE, "ELB", "Instance registration is still in progress.")


def shown(backend: store.Backend) -> tuple[str, str, str]:
    """State, reason code and description as the API answers them: never empty."""
    return backend.state.value, backend.reason_code or NOT_APPLICABLE, backend.description or NOT_APPLICABLE
