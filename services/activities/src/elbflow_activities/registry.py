"""Which method carries out which activity."""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities as contract
from elbflow_activities.activities.attributes import Attributes
from elbflow_activities.activities.backends import Backends
from elbflow_activities.activities.continuous import Continuous
from elbflow_activities.activities.creation import Creation
from elbflow_activities.activities.deletion import Deletion
from elbflow_activities.activities.identity import Identity
from elbflow_activities.activities.instance_status import InstanceStatus
from elbflow_activities.activities.listeners import Listeners
from elbflow_activities.activities.metrics import Metrics
from elbflow_activities.activities.security_groups import SecurityGroups
from elbflow_activities.activities.vm_state import VmState
from elbflow_activities.activities.vms import Vms
from elbflow_activities.activities.zones import Zones
from elbflow_activities.environment import Environment


def bind(env: Environment) -> flow.ActivityRegistry:
    """All activities of the contract, over ``env``."""
    registry = flow.ActivityRegistry()
    _bind_lifecycle(registry, env)
    _bind_resources(registry, env)
    _bind_zones(registry, env)
    _bind_monitoring(registry, env)
    return registry


def _bind_lifecycle(registry: flow.ActivityRegistry, env: Environment) -> None:
    creation = Creation(env)
    registry.bind(contract.admission_control, creation.admission_control)
    registry.bind(contract.create_load_balancer_commit, creation.create_load_balancer_commit)
    registry.bind(contract.create_load_balancer_rollback, creation.create_load_balancer_rollback)
    registry.bind(contract.start_continuous_workflows, creation.start_continuous_workflows)
    deletion = Deletion(env)
    registry.bind(contract.stop_continuous_workflows, deletion.stop_continuous_workflows)
    registry.bind(contract.delete_deactivate_dns, deletion.delete_deactivate_dns)
    registry.bind(contract.delete_scaling_groups, deletion.delete_scaling_groups)
    registry.bind(contract.delete_load_balancer_remove, deletion.delete_load_balancer_remove)
    listeners = Listeners(env)
    registry.bind(contract.listener_default_health_check, listeners.listener_default_health_check)
    registry.bind(contract.listener_rollback, listeners.listener_rollback)
    registry.bind(contract.listener_certificate_commit, listeners.listener_certificate_commit)
    registry.bind(contract.listener_certificate_rollback, listeners.listener_certificate_rollback)
    registry.bind(contract.persist_attributes, Attributes(env).persist_attributes)


def _bind_resources(registry: flow.ActivityRegistry, env: Environment) -> None:
    identity = Identity(env)
    registry.bind(contract.iam_role_setup, identity.iam_role_setup)
    registry.bind(contract.instance_profile_setup, identity.instance_profile_setup)
    registry.bind(contract.iam_policy_setup, identity.iam_policy_setup)
    registry.bind(contract.delete_instance_profile, identity.delete_instance_profile)
    registry.bind(contract.delete_iam_role, identity.delete_iam_role)
    registry.bind(contract.listener_check_certificates, identity.listener_check_certificates)
    registry.bind(contract.listener_authorize_certificates, identity.listener_authorize_certificates)
    registry.bind(contract.listener_authorize_certificates_rollback, identity.listener_authorize_certificates_rollback)
    registry.bind(contract.listener_revoke_certificates, identity.listener_revoke_certificates)
    registry.bind(contract.access_log_policy_setup, identity.access_log_policy_setup)
    registry.bind(contract.access_log_policy_rollback, identity.access_log_policy_rollback)
    registry.bind(contract.access_log_policy_delete, identity.access_log_policy_delete)
    groups = SecurityGroups(env)
    registry.bind(contract.security_group_setup, groups.security_group_setup)
    registry.bind(contract.security_group_setup_rollback, groups.security_group_setup_rollback)
    registry.bind(contract.tag_creator, groups.tag_creator)
    registry.bind(contract.delete_security_group, groups.delete_security_group)
    registry.bind(contract.listener_authorize_ingress, groups.listener_authorize_ingress)
    registry.bind(contract.listener_authorize_ingress_rollback, groups.listener_authorize_ingress_rollback)
    registry.bind(contract.listener_revoke_ingress, groups.listener_revoke_ingress)
    registry.bind(contract.apply_security_groups, groups.apply_security_groups)
    registry.bind(contract.apply_security_groups_rollback, groups.apply_security_groups_rollback)
    registry.bind(contract.persist_security_groups, groups.persist_security_groups)


def _bind_zones(registry: flow.ActivityRegistry, env: Environment) -> None:
    zones = Zones(env)
    registry.bind(contract.scaling_group_setup, zones.scaling_group_setup)
    registry.bind(contract.scaling_group_setup_rollback, zones.scaling_group_setup_rollback)
    registry.bind(contract.enable_zones_persist, zones.enable_zones_persist)
    registry.bind(contract.enable_zones_persist_rollback, zones.enable_zones_persist_rollback)
    registry.bind(contract.enable_zones_reset_backends, zones.enable_zones_reset_backends)
    registry.bind(contract.disable_zones_retire_vms, zones.disable_zones_retire_vms)
    registry.bind(contract.disable_zones_retire_vms_rollback, zones.disable_zones_retire_vms_rollback)
    registry.bind(contract.disable_zones_scale_in, zones.disable_zones_scale_in)
    registry.bind(contract.disable_zones_scale_in_rollback, zones.disable_zones_scale_in_rollback)
    registry.bind(contract.disable_zones_persist, zones.disable_zones_persist)
    registry.bind(contract.disable_zones_mark_backends, zones.disable_zones_mark_backends)


def _bind_monitoring(registry: flow.ActivityRegistry, env: Environment) -> None:
    vm_state = VmState(env)
    registry.bind(contract.lookup_vms, vm_state.lookup_vms)
    registry.bind(contract.lookup_document, vm_state.lookup_document)
    registry.bind(contract.lookup_document_part, vm_state.lookup_document_part)
    registry.bind(contract.lookup_zones, vm_state.lookup_zones)
    registry.bind(contract.record_applied, vm_state.record_applied)
    registry.bind(contract.record_vm_failure, vm_state.record_vm_failure)
    registry.bind(contract.update_instance_status, InstanceStatus(env).update_instance_status)
    metrics = Metrics(env)
    registry.bind(contract.put_cloudwatch_metrics, metrics.put_cloudwatch_metrics)
    registry.bind(contract.put_cloudwatch_instance_health, metrics.put_cloudwatch_instance_health)
    registry.bind(contract.run_continuous_workflows, Continuous(env).run_continuous_workflows)
    vms = Vms(env)
    registry.bind(contract.check_vms, vms.check_vms)
    registry.bind(contract.cleanup_vms, vms.cleanup_vms)
    registry.bind(contract.recycle_failed_vms, vms.recycle_failed_vms)
    registry.bind(contract.check_backends, Backends(env).check_backends)
