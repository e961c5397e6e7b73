"""Control-plane activities: signatures and timeouts (spec/elb-control-plane section 5).

Names are the original's. Where our workflows need a step the original did inside its API process (removing rows
after a failure, stopping the continuous workflows), the step is an activity of its own, so that the death of an API
process leaves nothing half-done. Every activity is find-or-create, set-to-value or delete-if-present: repeating one
is harmless.

Timeouts are chosen so that a whole one-shot workflow fits its execution timeout (spec 11.1 no. 7).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from elbflow import flow
from elbflow.contract import document, transport
from elbflow.contract.document import (
    Applied,
    Attributes,
    HealthReport,
    LoadBalancerDocument,
    LoadBalancerKey,
    MetricsReport,
)

P = ParamSpec("P")
R = TypeVar("R")

RETRY = flow.RetryPolicy(maximum_attempts=3, initial=timedelta(seconds=1), maximum=timedelta(seconds=8))
"""A step that nobody carries out fails after 183 s, which leaves a 300 s execution the time to compensate."""


def _declare(method: str) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], flow.Activity[P, R]]:
    return flow.abstract_activity(
        name=f"LoadBalancingActivities.{method}",
        version="1.0",
        schedule_to_start=timedelta(seconds=60),
        start_to_close=timedelta(seconds=30),
        schedule_to_close=timedelta(seconds=60),
        retry=RETRY,
    )


def _declare_sweep(method: str) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], flow.Activity[P, R]]:
    """A walk over all load balancers: long, with a heartbeat, not retried because the next round comes anyway."""
    return flow.abstract_activity(
        name=f"LoadBalancingActivities.{method}",
        version="1.0",
        schedule_to_start=timedelta(minutes=5),
        start_to_close=timedelta(minutes=10),
        heartbeat=timedelta(seconds=60),
    )


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group. ``created``: its load balancer is not active yet, so a rollback removes the group."""

    name: str
    group_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class ScalingGroups:
    """Zones that were not enabled when their scaling groups were set up: a rollback removes these groups."""

    created_zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServingVm:
    """A VM that should be talked to. ``metrics_sequence``: its last published report, to be acknowledged; or 0."""

    instance_id: str
    metrics_sequence: int = 0


@dataclass(frozen=True, slots=True)
class ServingZone:
    """The VMs of a zone that should be talked to. ``document`` is None when all are too large to travel together."""

    vms: tuple[ServingVm, ...]
    document: LoadBalancerDocument | None


@dataclass(frozen=True, slots=True)
class VmMetrics:
    """One VM's counters of one period."""

    instance_id: str
    report: MetricsReport


# --- creating a load balancer (5.3) -----------------------------------------------------------------------


@_declare("createLbAdmissionControl")
async def admission_control(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Fail permanently when a zone is unknown or has no room for the VMs."""


@_declare("iamRoleSetup")
async def iam_role_setup(key: LoadBalancerKey) -> str:
    """Find or create the role of the load balancer's VMs and return its name."""


@_declare("instanceProfileSetup")
async def instance_profile_setup(key: LoadBalancerKey, role: str) -> str:
    """Find or create the instance profile that carries ``role`` and return its name."""


@_declare("iamPolicySetup")
async def iam_policy_setup(key: LoadBalancerKey, role: str) -> str:
    """Make sure ``role`` has the VM base policy and return the policy's name."""


@_declare("securityGroupSetup")
async def security_group_setup(key: LoadBalancerKey) -> SecurityGroup:
    """Find or create the load balancer's security group."""


@_declare("securityGroupSetupRollback")
async def security_group_setup_rollback(key: LoadBalancerKey, group: SecurityGroup) -> None:
    """Delete ``group`` if ``security_group_setup`` created it."""


@_declare("createLbTagCreator")
async def tag_creator(key: LoadBalancerKey, group: SecurityGroup) -> None:
    """Tag the group as belonging to the service."""


@_declare("createLoadBalancerCommit")
async def create_load_balancer_commit(key: LoadBalancerKey) -> None:
    """Mark the load balancer active: everything it needs exists."""


@_declare("createLoadBalancerRollback")
async def create_load_balancer_rollback(key: LoadBalancerKey) -> None:
    """Remove the load balancer whose creation failed, and whatever of it is left in the cloud.

    Only the workflow that creates a load balancer can roll it back: the execution's id must carry its creation time.
    """


@_declare("startContinuousWorkflows")
async def start_continuous_workflows(key: LoadBalancerKey) -> None:
    """Start UpdateLoadBalancer, PollInstanceStatus and PutCloudWatchMetric unless they run."""


# --- zones (5.4) ------------------------------------------------------------------------------------------


@_declare("autoscalingGroupSetup")
async def scaling_group_setup(
    key: LoadBalancerKey, profile: str, group_name: str, zones: tuple[str, ...]
) -> ScalingGroups:
    """Make sure each zone has a scaling group at full capacity, and record its VMs."""


@_declare("autoscalingGroupSetupRollback")
async def scaling_group_setup_rollback(key: LoadBalancerKey, groups: ScalingGroups) -> None:
    """Delete the scaling groups of ``groups`` whose zone is not enabled, with their VMs."""


@_declare("enableAvailabilityZonesPersistUpdatedZones")
async def enable_zones_persist(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Set the zones InService and have their VMs configured and polled."""


@_declare("enableAvailabilityZonesPersistUpdatedZonesRollback")
async def enable_zones_persist_rollback(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Set the zones OutOfService again."""


@_declare("enableAvailabilityZonesPersistBackendInstanceState")
async def enable_zones_reset_backends(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Let the zones' instances wait for their next health report."""


@_declare("disableAvailabilityZonesPersistRetiredServoInstances")
async def disable_zones_retire_vms(key: LoadBalancerKey, zones: tuple[str, ...]) -> tuple[str, ...]:
    """Retire the zones' VMs and return their instance ids."""


@_declare("disableAvailabilityZonesPersistRetiredServoInstancesRollback")
async def disable_zones_retire_vms_rollback(key: LoadBalancerKey, instance_ids: tuple[str, ...]) -> None:
    """Put retired VMs back InService."""


@_declare("disableAvailabilityZonesUpdateAutoScalingGroup")
async def disable_zones_scale_in(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Set the zones' scaling groups to no VMs."""


@_declare("disableAvailabilityZonesUpdateAutoScalingGroupRollback")
async def disable_zones_scale_in_rollback(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Set the zones' scaling groups back to full capacity."""


@_declare("disableAvailabilityZonesPersistUpdatedZones")
async def disable_zones_persist(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Set the zones OutOfService."""


@_declare("disableAvailabilityZonesPersistBackendInstanceState")
async def disable_zones_mark_backends(key: LoadBalancerKey, zones: tuple[str, ...]) -> None:
    """Show the zones' instances as OutOfService because their zone is disabled."""


# --- listeners (5.5) --------------------------------------------------------------------------------------


@_declare("createListenerCheckSSLCertificateId")
async def listener_check_certificates(key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    """Fail permanently when a listener names a certificate that IAM does not know."""


@_declare("createListenerAuthorizeSSLCertificate")
async def listener_authorize_certificates(key: LoadBalancerKey, ports: tuple[int, ...]) -> tuple[str, ...]:
    """Let the VMs' role download the listeners' certificates; returns the policies that no other listener needs."""


@_declare("createListenerAuthorizeSSLCertificateRollback")
async def listener_authorize_certificates_rollback(key: LoadBalancerKey, policies: tuple[str, ...]) -> None:
    """Delete the role policies that ``listener_authorize_certificates`` returned."""


@_declare("createListenerAuthorizeIngressRule")
async def listener_authorize_ingress(key: LoadBalancerKey, ports: tuple[int, ...]) -> tuple[int, ...]:
    """Open those of the ports that have listeners in the load balancer's security group.

    Returns those that a rollback has to close.
    """


@_declare("createListenerAuthorizeIngressRuleRollback")
async def listener_authorize_ingress_rollback(key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    """Close the ports that ``listener_authorize_ingress`` returned."""


@_declare("createListenerUpdateHealthCheckConfig")
async def listener_default_health_check(key: LoadBalancerKey) -> None:
    """Give a load balancer without a health check the default one for its first listener."""


@_declare("createListenerRollback")
async def listener_rollback(key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    """Remove the listeners whose creation failed."""


@_declare("deleteListenerRevokeSSLCertificatePolicy")
async def listener_revoke_certificates(key: LoadBalancerKey) -> None:
    """Delete the role policies of certificates that no remaining listener uses."""


@_declare("setListenerCertificateCommit")
async def listener_certificate_commit(key: LoadBalancerKey) -> None:
    """Have the VMs serve the listeners as they are stored: they may fetch the certificates now."""


@_declare("setListenerCertificateRollback")
async def listener_certificate_rollback(key: LoadBalancerKey, port: int, arn: str, former_arn: str | None) -> None:
    """Give the listener its former certificate back if it has ``arn``, which it keeps when the former was deleted."""


@_declare("deleteListenerRevokeIngressRule")
async def listener_revoke_ingress(key: LoadBalancerKey, ports: tuple[int, ...]) -> None:
    """Close those of ``ports`` (all when empty) that no remaining listener uses; one being deleted uses none."""


# --- deleting a load balancer (5.6) -----------------------------------------------------------------------


@_declare("deleteLoadBalancerDeactivateDns")
async def delete_deactivate_dns(key: LoadBalancerKey) -> None:
    """Take all VMs of the load balancer out of its DNS answers."""


@_declare("deleteLoadBalancerDeleteScalingGroup")
async def delete_scaling_groups(key: LoadBalancerKey) -> None:
    """Delete the scaling groups and their VMs, and forget the VMs that are gone."""


@_declare("deleteLoadBalancerDeleteInstanceProfile")
async def delete_instance_profile(key: LoadBalancerKey) -> None:
    """Delete the instance profile."""


@_declare("deleteLoadBalancerDeleteIamRole")
async def delete_iam_role(key: LoadBalancerKey) -> None:
    """Delete the role with all its policies."""


@_declare("deleteLoadBalancerDeleteSecurityGroup")
async def delete_security_group(key: LoadBalancerKey) -> None:
    """Delete the security group."""


@_declare("stopContinuousWorkflows")
async def stop_continuous_workflows(key: LoadBalancerKey) -> None:
    """Cancel the three continuous workflows and changes that are under way, and return when they are closed."""


@_declare("deleteLoadBalancerRemove")
async def delete_load_balancer_remove(key: LoadBalancerKey) -> None:
    """Remove the load balancer and everything that belongs to it from the store."""


# --- attributes (5.7) -------------------------------------------------------------------------------------


@_declare("modifyLoadBalancerAttributesCreateAccessLogPolicy")
async def access_log_policy_setup(key: LoadBalancerKey, attributes: Attributes) -> None:
    """Let the VMs' role write access logs to the bucket of ``attributes``."""


@_declare("modifyLoadBalancerAttributesCreateAccessLogPolicyRollback")
async def access_log_policy_rollback(key: LoadBalancerKey) -> None:
    """Set the role's access-log policy to what the stored attributes ask for."""


@_declare("modifyLoadBalancerAttributesDeleteAccessLogPolicy")
async def access_log_policy_delete(key: LoadBalancerKey) -> None:
    """Take the permission to write access logs away."""


@_declare("modifyLoadBalancerAttributesPersistAttributes")
async def persist_attributes(key: LoadBalancerKey, attributes: Attributes) -> int:
    """Store the attributes, signal the update workflow, and return the generation they belong to."""


# --- security groups of a load balancer in a VPC (5.7) ------------------------------------------------------


@_declare("applySecurityGroupUpdateSecurityGroup")
async def apply_security_groups(key: LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]) -> None:
    """Let the load balancer's VMs carry exactly these groups."""


@_declare("applySecurityGroupUpdateSecurityGroupRollback")
async def apply_security_groups_rollback(key: LoadBalancerKey) -> None:
    """Let the VMs carry the groups that the store says."""


@_declare("applySecurityGroupPersist")
async def persist_security_groups(key: LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]) -> int:
    """Store the groups and return the generation they belong to."""


# --- VM-facing and monitoring (5.8) -----------------------------------------------------------------------


@_declare("lookupLoadBalancerDescription")
async def lookup_document(key: LoadBalancerKey, instance_id: str) -> LoadBalancerDocument | transport.Parcel | None:
    """The document that a VM should serve now, or its announcement when no payload can carry it; None when none."""


@_declare("lookupLoadBalancerDescriptionPart")
async def lookup_document_part(
    key: LoadBalancerKey, instance_id: str, parcel: transport.Parcel, index: int
) -> transport.Part | None:
    """A part of the announced document that a VM should serve; None when it should not or serve another one by now."""


@_declare("lookupLoadBalancerDescriptions")
async def lookup_zones(key: LoadBalancerKey) -> tuple[ServingZone, ...]:
    """The VMs that should be talked to, by zone, with the documents that they should serve now."""


@_declare("recordApplied")
async def record_applied(key: LoadBalancerKey, instance_id: str, applied: Applied) -> None:
    """Store a VM's proof of what it serves; never replaces a newer one. A Pending VM is InService from then on."""


@_declare("lookupServoInstances")
async def lookup_vms(key: LoadBalancerKey) -> tuple[ServingVm, ...]:
    """The VMs that should be talked to: Pending or InService ones of enabled zones."""


@_declare("updateInstanceStatus")
async def update_instance_status(key: LoadBalancerKey, instance_id: str, report: HealthReport) -> bool:
    """Store what a VM says of its zone's instances; True when that changed what some VM should serve."""


@_declare("recordInstanceTaskFailure")
async def record_vm_failure(key: LoadBalancerKey, instance_id: str, reason: str, failed_at: float) -> None:
    """Count a failed VM activity for recycling. ``failed_at`` (epoch seconds) tells a repetition from a new failure."""


@_declare("putCloudWatchMetrics")
async def put_cloudwatch_metrics(key: LoadBalancerKey, metrics: tuple[VmMetrics, ...]) -> tuple[int, ...] | None:
    """Publish the VMs' counters in the account of the load balancer's owner, each count once.

    What each VM is to be told as acknowledged; activities of earlier builds do not say. That is another sequence than
    the report's when something of the report is published already: then it was dropped, and its VM reports the rest.
    """


@_declare_sweep("runContinousWorkflows")
async def run_continuous_workflows() -> int:
    """Restart what should run and does not, and signal load balancers whose VMs lag; returns how many were touched.

    Covers the three continuous workflows of active load balancers, and the creation or deletion of those whose one-shot
    execution closed without finishing it.
    """


@_declare_sweep("checkServoInstances")
async def check_vms() -> None:
    """Bring the VM rows in line with what the cloud says, and replace VMs that are gone."""


@_declare_sweep("checkBackendInstances")
async def check_backends() -> None:
    """Bring backend instances in line with what the cloud says of them, and mark unreachable ones."""


@_declare_sweep("putCloudWatchInstanceHealth")
async def put_cloudwatch_instance_health() -> None:
    """Publish how many instances of every load balancer are healthy, in the accounts of their owners."""


@_declare_sweep("cleanupServoInstances")
async def cleanup_vms() -> None:
    """Forget retired and failed VMs that no longer exist, and delete what deleted load balancers left in the cloud."""


@_declare_sweep("recycleFailedServoInstances")
async def recycle_failed_vms() -> None:
    """Terminate VMs that failed too many activities within the window."""


ALL: tuple[flow.Activity[..., object], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, flow.Activity)
)
