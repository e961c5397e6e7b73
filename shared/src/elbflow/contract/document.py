"""The load-balancer document: what the control plane tells a VM, and what a VM answers.

Plain frozen values that encode to JSON as they stand (spec/elb-control-plane 6.3, spec/vm-agent-data-plane 2).
Unlike the original, policies travel inside the document, so a document is complete and can be applied, kept and
compared as one thing; ``generation`` says which desired state it realises.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, replace
from typing import Annotated

import orjson
import pydantic


class Protocol(enum.StrEnum):
    """Protocol of a listener's front or back end."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    SSL = "SSL"

    @classmethod
    def _missing_(cls, value: object) -> Protocol | None:
        """Newer control planes say TLS (REQ-9.2)."""
        return cls.SSL if value == "TLS" else None


class InstanceState(enum.StrEnum):
    """State of a backend instance as DescribeInstanceHealth shows it."""

    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, order=True)
class LoadBalancerKey:
    """Identity of a load balancer: 12-digit account and name."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener. ``policy_names`` refer to ``LoadBalancerDocument.policies``."""

    protocol: Protocol
    port: int
    instance_protocol: Protocol
    instance_port: int
    certificate_arn: str | None = None
    policy_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackendInstance:
    """One backend instance as this VM should see it; ``report_health`` is false for other zones' instances."""

    instance_id: str
    address: str
    report_health: bool = True


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Health-check configuration; ``target`` is in canonical form, e.g. ``HTTP:8000/ping`` (spec/vm-agent 4.1)."""

    target: str
    interval_s: int = 30
    timeout_s: int = 5
    unhealthy_threshold: int = 2
    healthy_threshold: int = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with its attributes in order; names may repeat."""

    name: str
    type_name: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BackendServerPolicies:
    """Policies of the back ends behind one instance port."""

    instance_port: int
    policy_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group of a load balancer's VMs in a VPC."""

    group_id: str
    name: str


class DesyncMitigation(enum.StrEnum):
    """What happens to HTTP requests that servers could read differently, in AWS's words."""

    MONITOR = "monitor"
    DEFENSIVE = "defensive"
    STRICTEST = "strictest"


def _is_none(value: object) -> bool:
    return value is None


def _is_default_desync(mode: DesyncMitigation) -> bool:
    return mode is DesyncMitigation.DEFENSIVE


@dataclass(frozen=True, slots=True)
class Attributes:
    """Load-balancer attributes with AWS's defaults. A draining timeout counts only when draining is enabled."""

    idle_timeout_s: int = 60
    cross_zone: bool = False
    draining_enabled: bool = False
    draining_timeout_s: int = 300
    access_log_enabled: bool = False
    access_log_bucket: str | None = None
    access_log_prefix: str = ""
    access_log_interval_min: int = 60
    # Left out while it is AWS's default: executions begun by earlier builds replay payloads that do not have it.
    desync_mitigation: Annotated[DesyncMitigation, pydantic.Field(exclude_if=_is_default_desync)] = (
        DesyncMitigation.DEFENSIVE
    )


@dataclass(frozen=True, slots=True)
class LoadBalancerDocument:
    """The complete desired state of one load balancer in one zone, as one VM receives it."""

    key: LoadBalancerKey
    generation: int
    zone: str
    listeners: tuple[Listener, ...] = ()
    backends: tuple[BackendInstance, ...] = ()
    health_check: HealthCheck | None = None
    policies: tuple[Policy, ...] = ()
    backend_policies: tuple[BackendServerPolicies, ...] = ()
    attributes: Attributes = Attributes()

    def content_hash(self) -> str:
        """Hash of everything but the generation: equal hashes mean the VM has nothing to do."""
        content = orjson.dumps(replace(self, generation=0), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()[:32]


def _is_false(value: bool) -> bool:
    return not value


WHOLE = 0
"""The port of what is wrong with a load balancer and not with one of its listeners, which are served."""


@dataclass(frozen=True, slots=True)
class ListenerProblem:
    """Why one listener is not served, or what is wrong with one that ``is_served``; or with all, port :data:`WHOLE`."""

    port: int
    reason: str
    # Left out while it is false, as earlier builds know problems.
    is_served: Annotated[bool, pydantic.Field(exclude_if=_is_false)] = False


@dataclass(frozen=True, slots=True)
class Applied:
    """A VM's proof: HAProxy serves this document now (design section 6)."""

    generation: int
    content_hash: str
    problems: tuple[ListenerProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceHealth:
    """Health of one instance as a VM sees it."""

    instance_id: str
    state: InstanceState
    description: str = ""


def _is_unsaid(value: object) -> bool:
    return value is None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All instances a VM reports on, and what is wrong with its listeners now; None when it does not say.

    ``digest`` changes whenever any of that does.
    """

    digest: str
    instances: tuple[InstanceHealth, ...] = ()
    # Left out when it is not said: VMs of earlier builds do not, and executions of then are replayed.
    problems: Annotated[tuple[ListenerProblem, ...] | None, pydantic.Field(exclude_if=_is_unsaid)] = None


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """Counters since the previous acknowledged report (spec/vm-agent 5.3, REQ-5.3).

    ``Latency``, ``LatencyMin`` and ``LatencyMax`` are in milliseconds; the latter two and ``SurgeQueueLength`` are
    extremes of the time since that report, all others are sums.

    ``sequence`` must be handed back as ``acknowledge`` with the next request; until then the VM keeps the counts and
    reports them again. ``since`` is the ``acknowledge`` that this report answers: it holds all that was counted after
    that report, so whoever publishes both must have published nothing in between.
    """

    sequence: int
    period_s: float
    counters: tuple[tuple[str, float], ...] = ()
    # Left out when unknown: executions begun by earlier builds replay payloads that do not have it.
    since: Annotated[int | None, pydantic.Field(exclude_if=_is_none)] = None
