"""The canonical conditions of a backend instance (spec/elb-control-plane 10.1), in AWS's words."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow.store import model


@dataclass(frozen=True, slots=True)
class Condition:
    """What DescribeInstanceHealth shows."""

    state: model.BackendState
    reason_code: str
    description: str

    def describes(self, backend: model.Backend) -> bool:
        return (backend.state, backend.reason_code, backend.description) == (
            self.state,
            self.reason_code,
            self.description,
        )


HEALTHY = Condition(model.BackendState.IN_SERVICE, "N/A", "N/A")
UNHEALTHY = Condition(
    model.BackendState.OUT_OF_SERVICE,
    "Instance",
    "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
)
REGISTERING = Condition(model.BackendState.OUT_OF_SERVICE, "ELB", "Instance registration is still in progress.")
ZONE_DISABLED = Condition(
    model.BackendState.OUT_OF_SERVICE,
    "ELB",
    "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to.",
)
STOPPED = Condition(model.BackendState.OUT_OF_SERVICE, "Instance", "Instance is in stopped state.")
UNUSABLE = Condition(model.BackendState.ERROR, "Instance", "Instance is in terminated state.")
UNREACHABLE = Condition(model.BackendState.ERROR, "ELB", "A transient error occurred. Please try again later.")


def is_unreachable(backend: model.Backend) -> bool:
    """In Error only because no VM can say anything of it: VMs must go on probing it (spec 10.4 [RN])."""
    return UNREACHABLE.describes(backend)
