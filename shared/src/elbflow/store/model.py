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
    """An availability zone of a load balancer; in a VPC with the subnet in which its VMs serve."""

    name: str
    state: ZoneState
    subnet_id: str | None = None


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
    """The aggregate: desired state of one load balancer and the observed state of its parts.

    ``vpc_id`` None makes it a classic one. ``security_groups`` are those of a load balancer in a VPC.
    """

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
    vpc_id: str | None = None
    security_groups: tuple[document.SecurityGroup, ...] = ()
    backend_policies: tuple[document.BackendServerPolicies, ...] = ()

    @property
    def subnets(self) -> tuple[str, ...]:
        """The enabled zones' subnets; none for a classic load balancer."""
        enabled = (zone for zone in self.zones if zone.state is ZoneState.IN_SERVICE)
        return tuple(zone.subnet_id for zone in enabled if zone.subnet_id is not None)

    @property
    def enabled_zones(self) -> tuple[str, ...]:
        return tuple(zone.name for zone in self.zones if zone.state is ZoneState.IN_SERVICE)

    def policies_of_backend(self, instance_port: int) -> tuple[str, ...]:
        """Names of the policies of the back ends behind one instance port."""
        return next((one.policy_names for one in self.backend_policies if one.instance_port == instance_port), ())

    def listener_on(self, port: int) -> document.Listener | None:
        return next((listener for listener in self.listeners if listener.port == port), None)

    @property
    def applied_generation(self) -> int:
        """The oldest generation any live VM serves; 0 while none does."""
        live = [vm.applied_generation for vm in self.vms if vm.state is VmState.IN_SERVICE]
        return min(live, default=0)


@dataclass(frozen=True, slots=True)
class Listed:
    """A load balancer as lists show it. ``lb`` is without its backends and VMs, which were not read.

    ``problems`` are what its VMs say of its listeners.
    """

    lb: LoadBalancer
    instance_ids: tuple[str, ...]
    problems: tuple[document.ListenerProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key of an account, or of a user of it; one with a ``session_token`` is a temporary key of a role or a user.

    ``principal`` is the ARN of the user or role, None for the account itself, which may do everything.
    ``session_policy`` narrows what a temporary key may do; ``expires_at`` ends its life.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str = ""
    admin: bool = False
    principal: str | None = None
    session_name: str | None = None
    session_token: str | None = field(default=None, repr=False)
    session_policy: str | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """The policy documents of a key's user or role, and the policy that narrows a temporary key."""

    documents: tuple[str, ...] = ()
    session_name: str | None = None
    session_policy: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of an account; ``quotas`` are limits by the names of DescribeAccountLimits."""

    account: str
    alias: str | None = None
    quotas: tuple[tuple[str, int], ...] = ()
    created_at: float = 0.0


class PrincipalKind(enum.StrEnum):
    USER = "user"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or a role of an account, and its policies: documents by name."""

    arn: str
    account: str
    kind: PrincipalKind
    name: str
    created_at: float
    policies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate as clients uploaded it to IAM. ``body`` and ``chain`` are PEM; the private key is sealed."""

    account: str
    name: str
    path: str
    certificate_id: str
    arn: str
    body: str
    chain: str | None
    encrypted_key: bytes = field(repr=False)
    uploaded_at: float
    expires_at: float
    tags: tuple[tuple[str, str], ...] = ()


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
