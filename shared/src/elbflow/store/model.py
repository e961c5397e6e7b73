"""What the store keeps, as frozen values. The load balancer is read and written as one aggregate."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from elbflow.contract import document


class LoadBalancerState(enum.StrEnum):
    """Life of a load balancer row; an active one is all that users normally see."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    DELETING = "deleting"


class ZoneState(enum.StrEnum):
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"


class VmState(enum.StrEnum):
    """State of a load-balancer VM (spec/elb-control-plane 2.9)."""

    PENDING = "Pending"
    IN_SERVICE = "InService"
    ERROR = "Error"
    OUT_OF_SERVICE = "OutOfService"
    RETIRED = "Retired"


class BackendState(enum.StrEnum):
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"
    ERROR = "Error"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Zone:
    name: str
    state: ZoneState


@dataclass(frozen=True, slots=True)
class Backend:
    """A registered backend instance. ``zone`` is None for an instance given as a bare IP address."""

    instance_id: str
    address: str
    zone: str | None
    state: BackendState
    reason_code: str
    description: str
    registered_at: float
    reported_at: float | None = None


@dataclass(frozen=True, slots=True)
class Vm:
    """A load-balancer VM and what it has proved to serve.

    ``reported_at`` is its last sign of life, ``failed_at`` its newest counted failure, ``metrics_sequence`` the last
    metrics report that was published.
    """

    instance_id: str
    zone: str
    address: str
    state: VmState
    launched_at: float
    applied_generation: int = 0
    applied_hash: str = ""
    problems: tuple[document.ListenerProblem, ...] = ()
    reported_at: float | None = None
    failures: int = 0
    failure_window_at: float | None = None
    failed_at: float | None = None
    metrics_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """The aggregate: desired state of one load balancer and the observed state of its parts."""

    id: int
    key: document.LoadBalancerKey
    dns_name: str
    scheme: str
    state: LoadBalancerState
    generation: int
    created_at: float
    attributes: document.Attributes = field(default_factory=document.Attributes)
    health_check: document.HealthCheck | None = None
    listeners: tuple[document.Listener, ...] = ()
    policies: tuple[document.Policy, ...] = ()
    zones: tuple[Zone, ...] = ()
    backends: tuple[Backend, ...] = ()
    vms: tuple[Vm, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def enabled_zones(self) -> tuple[str, ...]:
        return tuple(zone.name for zone in self.zones if zone.state is ZoneState.IN_SERVICE)

    def listener_on(self, port: int) -> document.Listener | None:
        return next((listener for listener in self.listeners if listener.port == port), None)

    @property
    def applied_generation(self) -> int:
        """The oldest generation any live VM serves; 0 while none does."""
        live = [vm.applied_generation for vm in self.vms if vm.state is VmState.IN_SERVICE]
        return min(live, default=0)


@dataclass(frozen=True, slots=True)
class AccessKey:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str = ""
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """An entry of the local cloud's directory of users' instances."""

    account: str
    instance_id: str
    address: str
    zone: str
    state: str = "running"


class OutboxKind(enum.StrEnum):
    START = "start"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A workflow start or signal that was committed with the state it belongs to, not yet delivered.

    ``name`` is the workflow type's or the signal's name, ``payload`` its encoded input.
    """

    id: int
    kind: OutboxKind
    workflow_id: str
    name: str
    payload: str
    tags: tuple[str, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One CloudWatch statistic set of the local cloud."""

    account: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    at: float
    sample_count: float
    total: float
    minimum: float
    maximum: float
