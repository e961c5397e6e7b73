"""The port to the cloud (spec/elb-control-plane 5.3 to 5.8).

Everything is find-or-create, set-to-value or delete-if-present: repeating a call is harmless, and deleting what is not
there succeeds. Methods raise :class:`CloudUnavailable` when the cloud cannot be asked now, and the ``Permanent`` errors
below when asking again cannot help. Cancelled midway, a method may have done a part of its work.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from elbflow import errors
from elbflow.contract import cloud, document


class CloudUnavailable(errors.Retryable):
    """The cloud does not answer."""


class ZoneUnknown(errors.Permanent):
    """There is no such availability zone."""


class SubnetUnknown(errors.Permanent):
    """There is no such subnet."""


class CertificateUnknown(errors.Permanent):
    """There is no such server certificate."""


class VmPhase(enum.StrEnum):
    """Where a load-balancer VM is in its life (spec 2.9)."""

    PENDING = "pending"
    IN_SERVICE = "in-service"
    UNHEALTHY = "unhealthy"
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class CloudVm:
    """A member of a scaling group."""

    instance_id: str
    zone: str
    address: str
    phase: VmPhase


@dataclass(frozen=True, slots=True)
class ScalingGroupPlan:
    """What a scaling group should be: ``capacity`` VMs of one load balancer in one zone.

    In a VPC the VMs serve in ``subnet_id`` and carry the groups ``group_ids``.
    """

    name: str
    key: document.LoadBalancerKey
    zone: str
    capacity: int
    instance_profile: str
    security_group: str
    subnet_id: str | None = None
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScalingGroup:
    """A scaling group as it is."""

    name: str
    key: document.LoadBalancerKey
    zone: str
    capacity: int
    vms: tuple[CloudVm, ...]


class InstancePhase(enum.StrEnum):
    """EC2's states of an instance."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class UserInstance:
    """An instance that users register. ``zone`` is None for a bare address."""

    instance_id: str
    address: str
    zone: str | None
    phase: InstancePhase


@dataclass(frozen=True, slots=True)
class Datum:
    """One CloudWatch statistic set. ``at`` is in epoch seconds."""

    metric: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    at: float
    sample_count: float
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class VmReport:
    """Which report of a VM: ``sequence``, with all that was counted after ``since``, if its VM says so."""

    instance_id: str
    sequence: int
    since: int | None


class Identities(Protocol):
    """IAM: roles, instance profiles, role policies, server certificates."""

    async def ensure_role(self, name: str) -> None: ...

    async def delete_role(self, name: str) -> None:
        """Delete the role with all its policies."""

    async def ensure_instance_profile(self, name: str, role: str) -> None: ...

    async def delete_instance_profile(self, name: str) -> None: ...

    async def put_role_policy(self, role: str, name: str, statement: Mapping[str, object]) -> None:
        """Give ``role`` the policy. The role must exist."""

    async def delete_role_policy(self, role: str, name: str) -> None: ...

    async def role_policies(self, role: str) -> tuple[str, ...]:
        """Names of the role's policies; none when there is no such role."""

    async def require_certificate(self, account: str, arn: str) -> None:
        """Raise :class:`CertificateUnknown` unless the account has the server certificate."""


class SecurityGroups(Protocol):
    """EC2 security groups and their ingress rules (tcp, from anywhere)."""

    async def ensure_security_group(self, name: str) -> str:
        """Find or create the group; its id."""

    async def delete_security_group(self, name: str) -> None: ...

    async def tag_security_group(self, name: str, key: str, value: str) -> None: ...

    async def authorize_ingress(self, name: str, ports: Iterable[int]) -> None:
        """Open the ports. The group must exist."""

    async def revoke_ingress(self, name: str, ports: Iterable[int]) -> None: ...

    async def open_ports(self, name: str) -> tuple[int, ...]:
        """Ports that are open; none when there is no such group."""

    async def ensure_default_elb_group(self, account: str, vpc_id: str) -> document.SecurityGroup:
        """Find or create the group that the account's load balancers in the VPC get when they name none."""


class ScalingGroups(Protocol):
    """Auto Scaling: groups of load-balancer VMs."""

    async def ensure_scaling_group(self, plan: ScalingGroupPlan) -> ScalingGroup:
        """Create the group, or set its capacity; returns it with its members, which may be Pending."""

    async def set_capacity(self, name: str, capacity: int) -> ScalingGroup | None:
        """Launch or terminate until the group has ``capacity`` VMs; None when there is no such group."""

    async def set_group_ids(self, name: str, group_ids: Iterable[str]) -> None:
        """Let the VMs in the scaling group, and those that follow them, carry these security groups of their VPC."""

    async def delete_scaling_group(self, name: str) -> None:
        """Terminate the group's VMs and delete it. After a failure the group is still there, with capacity 0."""

    async def scaling_groups(self) -> Sequence[ScalingGroup]:
        """All groups of the service with their members."""

    async def scaling_group(self, name: str) -> ScalingGroup | None:
        """One group with its members as they are now; None when there is no such group."""

    async def terminate_vm(self, instance_id: str) -> None:
        """Terminate a VM; its group replaces it in time."""

    async def existing_vms(self) -> frozenset[str]:
        """Instance ids of all load-balancer VMs that are not terminated."""

    async def maintain_scaling_groups(self) -> None:
        """Replace members that are gone. A cloud that does so by itself has nothing to do here."""


class Cloud(cloud.View, Identities, SecurityGroups, ScalingGroups, Protocol):
    """All of the cloud that the service uses."""

    async def instances(self, account: str, instance_ids: Iterable[str]) -> Mapping[str, UserInstance]:
        """Those of the account's instances that the cloud knows, by id."""

    async def put_metrics(self, account: str, namespace: str, data: Sequence[Datum]) -> None:
        """Publish any number of data in ``account``. A repetition publishes a second time."""

    async def put_vm_metrics(self, account: str, namespace: str, data: Sequence[Datum], report: VmReport) -> int:
        """Publish the data of a VM's report unless something of it is published; the report that is noted afterwards.

        A cloud that keeps its data in the store publishes and notes at one instant: each report exactly once. One that
        hands them to a service without idempotency tokens, as CloudWatch is, notes first: at most once, for a count
        that is missing is told apart from one that is too high by nobody.
        """
