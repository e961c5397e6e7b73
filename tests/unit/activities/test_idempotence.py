"""Every activity, carried out twice, leaves what one time leaves (spec/elb-control-plane 5.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.activities.world import CERTIFICATE, KEY, World, backend, certificate

from elbflow import flow, store
from elbflow.contract import activities, document, names, transport

PROVISIONING = store.LoadBalancerState.PROVISIONING
ACTIVE = store.LoadBalancerState.ACTIVE
DELETING = store.LoadBalancerState.DELETING
ROLE = names.role_name(KEY)
GROUP = names.security_group_name(KEY)
VM = "the VM's id"
LOGGED = document.Attributes(access_log_enabled=True, access_log_bucket="logs", cross_zone=True)
GROUPS = (document.SecurityGroup("sg-1", "web"),)
HEALTH = document.HealthReport("d", (document.InstanceHealth("i-1", document.InstanceState.IN_SERVICE),))
COUNTS = document.MetricsReport(5, 60.0, (("RequestCount", 3.0), ("Latency", 600.0)))

CASES: list[tuple[flow.Activity[..., Any], store.LoadBalancerState, tuple[Any, ...]]] = [
    (activities.admission_control, PROVISIONING, (KEY, ("a", "b"))),
    (activities.iam_role_setup, PROVISIONING, (KEY,)),
    (activities.instance_profile_setup, PROVISIONING, (KEY, ROLE)),
    (activities.iam_policy_setup, PROVISIONING, (KEY, ROLE)),
    (activities.security_group_setup, PROVISIONING, (KEY,)),
    (activities.security_group_setup_rollback, PROVISIONING, (KEY, activities.SecurityGroup(GROUP, "sg", True))),
    (activities.tag_creator, PROVISIONING, (KEY, activities.SecurityGroup(GROUP, "sg", True))),
    (activities.create_load_balancer_commit, PROVISIONING, (KEY,)),
    (activities.create_load_balancer_rollback, PROVISIONING, (KEY,)),
    (activities.start_continuous_workflows, ACTIVE, (KEY,)),
    (activities.scaling_group_setup, ACTIVE, (KEY, ROLE, GROUP, ("a", "b"))),
    (activities.scaling_group_setup_rollback, ACTIVE, (KEY, activities.ScalingGroups(("a", "b")))),
    (activities.enable_zones_persist, ACTIVE, (KEY, ("a", "b"))),
    (activities.enable_zones_persist_rollback, ACTIVE, (KEY, ("a",))),
    (activities.enable_zones_reset_backends, ACTIVE, (KEY, ("a",))),
    (activities.disable_zones_retire_vms, ACTIVE, (KEY, ("a",))),
    (activities.disable_zones_retire_vms_rollback, ACTIVE, (KEY, (VM,))),
    (activities.disable_zones_scale_in, ACTIVE, (KEY, ("a",))),
    (activities.disable_zones_scale_in_rollback, ACTIVE, (KEY, ("a",))),
    (activities.disable_zones_persist, ACTIVE, (KEY, ("a",))),
    (activities.disable_zones_mark_backends, ACTIVE, (KEY, ("a",))),
    (activities.listener_check_certificates, ACTIVE, (KEY, (80, 443))),
    (activities.listener_authorize_certificates, ACTIVE, (KEY, (443,))),
    (activities.listener_authorize_certificates_rollback, ACTIVE, (KEY, ("loadbalancer-iam-policy-x",))),
    (activities.listener_authorize_ingress, ACTIVE, (KEY, (80, 443))),
    (activities.listener_authorize_ingress_rollback, ACTIVE, (KEY, (80,))),
    (activities.listener_default_health_check, ACTIVE, (KEY,)),
    (activities.listener_rollback, ACTIVE, (KEY, (80,))),
    (activities.listener_revoke_certificates, ACTIVE, (KEY,)),
    (activities.listener_certificate_commit, ACTIVE, (KEY,)),
    (activities.listener_certificate_rollback, ACTIVE, (KEY, 443, CERTIFICATE, "arn:former")),
    (activities.listener_revoke_ingress, DELETING, (KEY, ())),
    (activities.delete_deactivate_dns, DELETING, (KEY,)),
    (activities.delete_scaling_groups, DELETING, (KEY,)),
    (activities.delete_instance_profile, DELETING, (KEY,)),
    (activities.delete_iam_role, DELETING, (KEY,)),
    (activities.delete_security_group, DELETING, (KEY,)),
    (activities.stop_continuous_workflows, DELETING, (KEY,)),
    (activities.delete_load_balancer_remove, DELETING, (KEY,)),
    (activities.access_log_policy_setup, ACTIVE, (KEY, LOGGED)),
    (activities.access_log_policy_rollback, ACTIVE, (KEY,)),
    (activities.access_log_policy_delete, ACTIVE, (KEY,)),
    (activities.persist_attributes, ACTIVE, (KEY, LOGGED)),
    (activities.apply_security_groups, ACTIVE, (KEY, GROUPS)),
    (activities.apply_security_groups_rollback, ACTIVE, (KEY,)),
    (activities.persist_security_groups, ACTIVE, (KEY, GROUPS)),
    (activities.lookup_vms, ACTIVE, (KEY,)),
    (activities.lookup_document, ACTIVE, (KEY, VM)),
    (activities.lookup_document_part, ACTIVE, (KEY, VM, transport.Parcel("digest", 1), 0)),
    (activities.lookup_zones, ACTIVE, (KEY,)),
    (activities.record_applied, ACTIVE, (KEY, VM, document.Applied(3, "hash"))),
    (activities.record_vm_failure, ACTIVE, (KEY, VM, "timed out", 1_700_000_100.0)),
    (activities.update_instance_status, ACTIVE, (KEY, VM, HEALTH)),
    (activities.put_cloudwatch_metrics, ACTIVE, (KEY, (activities.VmMetrics(VM, COUNTS),))),
    (activities.run_continuous_workflows, ACTIVE, ()),
    (activities.check_vms, ACTIVE, ()),
    (activities.check_backends, ACTIVE, ()),
    (activities.cleanup_vms, ACTIVE, ()),
    (activities.recycle_failed_vms, ACTIVE, ()),
]


def test_every_activity_has_a_case() -> None:
    # Samples of how many are healthy: one more sample changes no average, minimum or maximum.
    sampled = {activities.put_cloudwatch_instance_health.name}
    assert {activity.name for activity, *_ in CASES} == {activity.name for activity in activities.ALL} - sampled


@pytest.mark.parametrize(("activity", "state", "arguments"), CASES, ids=[case[0].function.__name__ for case in CASES])
async def test_twice_is_once(
    world: World, activity: flow.Activity[..., Any], state: store.LoadBalancerState, arguments: tuple[Any, ...]
) -> None:
    vm = await _prepare(world, state)
    given = [_filled(argument, vm) for argument in arguments]
    workflow_id = names.create_workflow_id(KEY, (await world.lb()).created_at)

    first = await world.do(activity, *given, workflow_id=workflow_id)
    after_once = world.dump()
    second = await world.do(activity, *given, workflow_id=workflow_id)

    assert world.dump() == after_once
    if activity is not activities.update_instance_status:  # says whether this call changed something
        assert second == first


async def _prepare(world: World, state: store.LoadBalancerState) -> str:
    """A load balancer with a VM, a certificate, a backend, and a VM that is lost; in ``state``."""
    await world.create_active("a")
    https = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8000, CERTIFICATE)
    lb = await world.lb()
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.add_listeners(lb.id, [https])
        await tx.server_certificates.add(certificate())
        await tx.instances.save(store.Instance(KEY.account, "i-1", "10.0.0.1", "a"))
        lost = store.Vm("i-lost", "a", "127.0.0.9", store.VmState.IN_SERVICE, launched_at=0.0)
        await tx.vms.save(lb.id, lost)
    await world.register(backend("i-1"), backend("i-2"))
    if state is not PROVISIONING:
        await world.start_continuous()
        closed = names.continuous_workflow_ids(KEY) if state is DELETING else (names.update_workflow_id(KEY),)
        for workflow_id in closed:
            await world.service.terminate_workflow_execution(names.DOMAIN, workflow_id)
    await world.set_state(state)
    return next(vm.instance_id for vm in lb.vms if vm.instance_id != "i-lost")


def _filled(argument: Any, vm: str) -> Any:
    """``argument`` with the VM's real id."""
    if argument == VM:
        return vm
    if isinstance(argument, activities.VmMetrics):
        return activities.VmMetrics(vm, argument.report)
    if isinstance(argument, tuple):
        return tuple(_filled(one, vm) for one in argument)
    return argument
