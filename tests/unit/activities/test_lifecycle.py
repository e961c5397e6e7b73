"""Creating, enabling, disabling, deleting: rows, resources, VMs and signals after each step."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.activities.world import CERTIFICATE, KEY, LISTENER, World, backend, certificate

from elbflow import errors, flow, objects, store
from elbflow.contract import activities, document, names, workflows
from elbflow.store import conditions
from elbflow_activities import changes
from elbflow_activities.cloud import base
from elbflow_activities.environment import Policy

ROLE = names.role_name(KEY)
GROUP = names.security_group_name(KEY)
HTTPS = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8000, CERTIFICATE)


# --- creation ----------------------------------------------------------------------------------------------------


async def test_admission_refuses_unknown_zones(world: World) -> None:
    await world.create()
    await world.do(activities.admission_control, KEY, ("a", "c"))
    with pytest.raises(base.ZoneUnknown, match="Availability Zone not found: x, y"):
        await world.do(activities.admission_control, KEY, ("a", "x", "y"))


async def test_a_created_load_balancer_has_its_vms_and_resources(world: World) -> None:
    world.env = replace(world.env, policy=Policy(vms_per_zone=2))
    lb = await world.create_active("a", "b")

    assert lb.state is store.LoadBalancerState.ACTIVE
    assert sorted(vm.zone for vm in lb.vms) == ["a", "a", "b", "b"]
    assert {vm.instance_id for vm in lb.vms} == set(world.host.of("web"))
    assert {vm.state for vm in lb.vms} == {store.VmState.IN_SERVICE}
    assert {vm.address for vm in lb.vms} == {vm["address"] for vm in world.host.vms.values()}
    assert set(await world.resources("role")) == set(await world.resources("instance-profile")) == {ROLE}
    assert (await world.resources("security-group"))[GROUP]["ports"] == [80]
    assert all(len(vm.instance_id) == 19 and vm.instance_id.startswith("i-") for vm in lb.vms)


async def test_rollback_removes_everything_even_what_no_step_reported(world: World) -> None:
    await world.create_active("a", "b")
    lb = await world.lb()

    await world.do(
        activities.create_load_balancer_rollback, KEY, workflow_id=names.create_workflow_id(KEY, lb.created_at)
    )

    assert {table for table, rows in world.dump().items() if rows} == {"alembic_version"}


async def test_only_the_workflow_that_creates_it_can_roll_a_load_balancer_back(world: World) -> None:
    await world.create_active("a")
    before = world.dump()
    earlier_life = names.create_workflow_id(KEY, (await world.lb()).created_at - 60)

    await world.do(activities.create_load_balancer_rollback, KEY, workflow_id=earlier_life)

    assert world.dump() == before


async def test_a_rollback_that_fails_leaves_a_deletion_to_be_finished(world: World) -> None:
    await world.create_active("a")
    lb = await world.lb()
    world.host.refuse = 500

    with pytest.raises(base.CloudUnavailable):
        await world.do(
            activities.create_load_balancer_rollback, KEY, workflow_id=names.create_workflow_id(KEY, lb.created_at)
        )

    assert (await world.lb()).state is store.LoadBalancerState.DELETING


async def test_steps_of_a_workflow_that_outlived_its_load_balancer_fail_for_good(world: World) -> None:
    await world.create_active("a")
    await world.set_state(store.LoadBalancerState.DELETING)

    for activity in (activities.iam_role_setup, activities.security_group_setup, activities.lookup_vms):
        with pytest.raises(changes.LoadBalancerDeleting):
            await world.do(activity, KEY)
    assert issubclass(changes.LoadBalancerDeleting, errors.Permanent)


async def test_a_load_balancer_deleted_as_soon_as_it_was_active_was_created_all_the_same(world: World) -> None:
    """Otherwise the creation would roll back what the deletion, or the next creation, is working on."""
    lb = await world.create_active("a")
    creation = names.create_workflow_id(KEY, lb.created_at)
    await world.set_state(store.LoadBalancerState.DELETING)

    await world.do(activities.create_load_balancer_commit, KEY, workflow_id=creation)
    await world.do(activities.start_continuous_workflows, KEY, workflow_id=creation)

    assert (await world.lb()).state is store.LoadBalancerState.DELETING
    assert await world.open_ids() == set()


async def test_the_security_group_of_an_active_load_balancer_survives_a_rollback(world: World) -> None:
    await world.create_active("a")

    group = await world.do(activities.security_group_setup, KEY)
    await world.do(activities.security_group_setup_rollback, KEY, group)

    assert GROUP in await world.resources("security-group")


# --- zones -------------------------------------------------------------------------------------------------------


async def test_enabling_a_zone_signals_all_three_workflows(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    generation = (await world.lb()).generation

    await world.do(activities.scaling_group_setup, KEY, ROLE, GROUP, ("b",))
    assert await world.signals(names.update_workflow_id(KEY)) == []
    await world.do(activities.enable_zones_persist, KEY, ("b",))

    assert (await world.lb()).enabled_zones == ("a", "b")
    assert await world.signals(names.update_workflow_id(KEY)) == [generation]
    assert await world.signals(names.instance_status_workflow_id(KEY)) == [None]
    assert await world.signals(names.cloudwatch_workflow_id(KEY)) == [None]


async def test_the_rollback_of_scaling_groups_spares_zones_that_were_enabled(world: World) -> None:
    await world.create_active("a")
    await world.do(activities.scaling_group_setup, KEY, ROLE, GROUP, ("b",))

    await world.do(activities.scaling_group_setup_rollback, KEY, activities.ScalingGroups(("a", "b")))

    assert [vm.zone for vm in (await world.lb()).vms] == ["a"]
    assert len(world.host.vms) == 1
    assert set(await world.resources("scaling-group")) == {names.scaling_group_name(KEY, "a")}


async def test_disabling_and_enabling_a_zone(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(backend("i-a", "a"), backend("i-b", "b", store.BackendState.IN_SERVICE))
    gone = next(vm.instance_id for vm in (await world.lb()).vms if vm.zone == "b")

    assert await world.do(activities.disable_zones_retire_vms, KEY, ("b",)) == (gone,)
    await world.do(activities.disable_zones_scale_in, KEY, ("b",))
    await world.do(activities.disable_zones_persist, KEY, ("b",))
    await world.do(activities.disable_zones_mark_backends, KEY, ("b",))

    assert gone not in world.host.vms
    assert (await world.lb()).enabled_zones == ("a",)
    assert conditions.ZONE_DISABLED.describes(await world.backend("i-b"))
    assert conditions.REGISTERING.describes(await world.backend("i-a"))

    await world.do(activities.scaling_group_setup, KEY, ROLE, GROUP, ("b",))
    await world.do(activities.enable_zones_persist, KEY, ("b",))
    await world.do(activities.enable_zones_reset_backends, KEY, ("b",))

    assert conditions.REGISTERING.describes(await world.backend("i-b"))
    served = [vm for vm in (await world.lb()).vms if vm.zone == "b" and vm.state is store.VmState.IN_SERVICE]
    assert [vm.instance_id in world.host.vms for vm in served] == [True]


async def test_a_zone_whose_disabling_failed_serves_again(world: World) -> None:
    await world.create_active("a", "b")
    retired = await world.do(activities.disable_zones_retire_vms, KEY, ("b",))
    await world.do(activities.disable_zones_scale_in, KEY, ("b",))

    await world.do(activities.disable_zones_scale_in_rollback, KEY, ("b",))
    await world.do(activities.disable_zones_retire_vms_rollback, KEY, retired)
    await world.do(activities.check_vms)

    serving = [vm for vm in (await world.lb()).vms if vm.zone == "b" and vm.state is store.VmState.IN_SERVICE]
    assert [vm.instance_id for vm in serving] == [one for one in world.host.vms if world.host.vms[one]["zone"] == "b"]


# --- listeners and attributes ------------------------------------------------------------------------------------


async def test_a_certificate_must_exist_in_the_owners_account(world: World) -> None:
    await world.create(listeners=(LISTENER, HTTPS))
    await world.do(activities.listener_check_certificates, KEY, (80,))
    with pytest.raises(base.CertificateUnknown):
        await world.do(activities.listener_check_certificates, KEY, (443,))

    async with world.env.db.transaction() as tx:
        await tx.server_certificates.add(certificate())
    await world.do(activities.listener_check_certificates, KEY, (443,))


async def test_the_role_may_download_certificates_while_a_listener_needs_them(world: World) -> None:
    await world.create(listeners=(LISTENER, HTTPS))
    await world.do(activities.iam_role_setup, KEY)

    policies = await world.do(activities.listener_authorize_certificates, KEY, (443,))

    assert policies == ("loadbalancer-iam-policy-000000000001-web-shop",)
    statement = (await world.resources("role"))[ROLE]["policies"][policies[0]]
    assert statement["Resource"] == CERTIFICATE
    assert statement["Action"] == ["iam:DownloadServerCertificate"]

    await world.do(activities.listener_revoke_certificates, KEY)
    assert policies[0] in (await world.resources("role"))[ROLE]["policies"]
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.delete_listeners((await world.lb()).id, [443])
    await world.do(activities.listener_revoke_certificates, KEY)
    assert (await world.resources("role"))[ROLE]["policies"] == {}


async def test_a_certificate_that_another_listener_uses_is_not_rolled_back(world: World) -> None:
    await world.create(listeners=(HTTPS, replace(HTTPS, port=8443)))
    await world.do(activities.iam_role_setup, KEY)
    assert await world.do(activities.listener_authorize_certificates, KEY, (8443,)) == ()


async def test_a_certificate_that_could_not_be_set_gives_way_to_the_former_one_unless_it_changed_again(
    world: World,
) -> None:
    await world.create(listeners=(LISTENER, HTTPS))
    async with world.env.db.transaction() as tx:
        await tx.server_certificates.add(replace(certificate(), name="former", certificate_id="F", arn="arn:former"))
    await world.do(activities.listener_certificate_rollback, KEY, 443, "arn:other", "arn:former")
    assert (await world.lb()).listeners[1].certificate_arn == CERTIFICATE
    await world.do(activities.listener_certificate_rollback, KEY, 443, CERTIFICATE, "arn:former")
    assert (await world.lb()).listeners[1].certificate_arn == "arn:former"
    await world.do(activities.listener_certificate_rollback, KEY, 8443, CERTIFICATE, "arn:former")
    assert [one.port for one in (await world.lb()).listeners] == [80, 443]


async def test_a_former_certificate_that_was_deleted_meanwhile_does_not_come_back(world: World) -> None:
    await world.create_active("a")
    lb = await world.lb()
    async with world.env.db.transaction() as tx:
        await tx.load_balancers.add_listeners(lb.id, [HTTPS])
        await tx.server_certificates.add(certificate())
    await world.start_continuous()
    generation = (await world.lb()).generation

    await world.do(activities.listener_certificate_rollback, KEY, 443, CERTIFICATE, "arn:deleted")

    assert (await world.lb()).listeners[1].certificate_arn == CERTIFICATE
    (role,) = (await world.resources("role")).values()
    assert names.certificate_policy_name(KEY, CERTIFICATE) in role["policies"]
    assert await world.signals(names.update_workflow_id(KEY)) == [generation]


async def test_closing_ports_spares_those_that_are_listened_on_again(world: World) -> None:
    await world.create_active("a")
    await world.env.cloud.authorize_ingress(GROUP, (80, 81))

    await world.do(activities.listener_revoke_ingress, KEY, (80, 81))

    assert (await world.resources("security-group"))[GROUP]["ports"] == [80]


async def test_the_port_of_a_listener_that_has_gone_is_not_opened(world: World) -> None:
    """As when a sweep begins a cut-off creation again while the listener is being deleted: nobody would close it."""
    await world.create_active("a")

    assert await world.do(activities.listener_authorize_ingress, KEY, (80, 81)) == (80,)

    assert (await world.resources("security-group"))[GROUP]["ports"] == [80]


async def test_the_first_listener_brings_the_default_health_check(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    generation = (await world.lb()).generation

    await world.do(activities.listener_default_health_check, KEY)

    lb = await world.lb()
    assert lb.health_check == document.HealthCheck("TCP:8000", 30, 5, 2, 10)
    assert await world.signals(names.update_workflow_id(KEY)) == [generation + 1]


async def test_attributes_are_signalled_even_when_no_document_changes(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    generation = (await world.lb()).generation

    same = await world.do(activities.persist_attributes, KEY, document.Attributes())
    idle = await world.do(activities.persist_attributes, KEY, document.Attributes(idle_timeout_s=120))

    assert (same, idle) == (generation, generation + 1)
    assert await world.signals(names.update_workflow_id(KEY)) == [generation, generation + 1]


async def test_access_logs_that_are_off_lose_their_settings(world: World) -> None:
    await world.create_active("a")
    await world.do(
        activities.persist_attributes,
        KEY,
        document.Attributes(access_log_bucket="logs", access_log_prefix="p", access_log_interval_min=5),
    )
    assert (await world.lb()).attributes == document.Attributes()


async def test_the_access_log_permission_follows_the_stored_attributes(world: World) -> None:
    await world.create_active("a")
    wanted = document.Attributes(access_log_enabled=True, access_log_bucket="logs", access_log_prefix="elb/")
    await world.do(activities.access_log_policy_setup, KEY, wanted)
    statement = (await world.resources("role"))[ROLE]["policies"][names.ACCESS_LOG_POLICY]
    assert statement["Resource"] == "arn:aws:s3:::logs/elb/*"

    await world.do(activities.access_log_policy_rollback, KEY)

    assert names.ACCESS_LOG_POLICY not in (await world.resources("role"))[ROLE]["policies"]


async def test_a_bucket_named_by_a_star_is_no_permission_for_all_buckets(world: World) -> None:
    await world.create_active("a")
    wanted = document.Attributes(access_log_enabled=True, access_log_bucket="*", access_log_prefix="e?")
    await world.do(activities.access_log_policy_setup, KEY, wanted)
    statement = (await world.resources("role"))[ROLE]["policies"][names.ACCESS_LOG_POLICY]
    assert statement["Resource"] == "arn:aws:s3:::${*}/e${?}/*"


async def test_enabling_access_logs_leaves_a_test_object(world: World, tmp_path: Path) -> None:
    await world.create_active("a")
    env = replace(world.env, objects=objects.DirectoryObjects(tmp_path / "buckets"))
    world.env = env
    wanted = document.Attributes(access_log_enabled=True, access_log_bucket="logs", access_log_prefix="elb/")
    await world.do(activities.access_log_policy_setup, KEY, wanted)
    stored = tmp_path / "buckets" / "logs" / "elb" / "AWSLogs" / KEY.account / "ELBAccessLogTestFile"
    assert await asyncio.to_thread(stored.read_bytes) == b""


async def test_a_test_object_that_cannot_be_stored_fails_nothing(world: World) -> None:
    await world.create_active("a")
    world.env = replace(world.env, objects=Refusing())
    wanted = document.Attributes(access_log_enabled=True, access_log_bucket="logs")
    await world.do(activities.access_log_policy_setup, KEY, wanted)
    assert names.ACCESS_LOG_POLICY in (await world.resources("role"))[ROLE]["policies"]


class Refusing:
    async def put(self, bucket: str, key: str, body: bytes) -> None:
        raise objects.ObjectNotStored(f"{bucket} is somebody else's")


# --- deletion ----------------------------------------------------------------------------------------------------


async def test_a_deletion_leaves_nothing(world: World) -> None:
    await world.create_active("a", "b")
    await world.register(backend("i-1"))
    await world.set_state(store.LoadBalancerState.DELETING)

    for activity in (
        activities.stop_continuous_workflows,
        activities.delete_deactivate_dns,
        activities.delete_scaling_groups,
        activities.delete_instance_profile,
        activities.delete_iam_role,
        activities.delete_security_group,
        activities.delete_load_balancer_remove,
    ):
        await world.do(activity, KEY)

    assert {table for table, rows in world.dump().items() if rows} == {"alembic_version"}


@pytest.mark.parametrize(
    "activity",
    [
        activities.delete_deactivate_dns,
        activities.delete_scaling_groups,
        activities.delete_security_group,
        activities.delete_load_balancer_remove,
    ],
    ids=lambda activity: activity.function.__name__,
)
async def test_a_load_balancer_in_use_cannot_be_taken_apart(world: World, activity: object) -> None:
    await world.create_active("a")
    before = world.dump()
    with pytest.raises(changes.NotDeleting):
        await world.do(activity, KEY)  # type: ignore[arg-type]
    assert world.dump() == before


async def test_a_host_that_is_down_fails_the_deletion_and_a_repetition_finishes_it(world: World) -> None:
    await world.create_active("a")
    await world.set_state(store.LoadBalancerState.DELETING)
    world.host.refuse = 503
    with pytest.raises(base.CloudUnavailable):
        await world.do(activities.delete_scaling_groups, KEY)

    world.host.refuse = None
    await world.do(activities.delete_scaling_groups, KEY)

    assert world.host.vms == {}
    assert await world.resources("scaling-group") == {}


async def test_a_late_repetition_of_a_deletion_leaves_the_next_load_balancer_of_the_name_alone(world: World) -> None:
    earlier_life = names.delete_workflow_id(KEY, world.clock.now() - 60)
    await world.create_active("a")
    await world.start_continuous()
    before = world.dump()

    for activity in (
        activities.stop_continuous_workflows,
        activities.delete_deactivate_dns,
        activities.delete_scaling_groups,
        activities.delete_instance_profile,
        activities.delete_iam_role,
        activities.delete_security_group,
        activities.delete_load_balancer_remove,
    ):
        await world.do(activity, KEY, workflow_id=earlier_life)

    assert world.dump() == before
    assert await world.open_ids() == set(names.continuous_workflow_ids(KEY))


async def test_a_change_under_way_does_not_outlive_its_load_balancer(world: World) -> None:
    await world.create_active("a")
    client = flow.Client(world.service, names.DOMAIN, names.TASK_LIST)
    await flow.register_types(world.service, names.DOMAIN, workflows=[workflows.ENABLE_ZONE])
    for key in (KEY, document.LoadBalancerKey("000000000002", KEY.name)):
        request = workflows.ZonesInput(key, ("b",))
        await client.start(workflows.ENABLE_ZONE, f"enable-{key.account}", request, tags=names.workflow_tags(key))
    await world.set_state(store.LoadBalancerState.DELETING)

    stopping = asyncio.create_task(world.do(activities.stop_continuous_workflows, KEY))
    while not stopping.done():
        await world.clock.advance(1)
        await asyncio.sleep(0.001)

    await stopping
    assert await world.open_ids() == {"enable-000000000002"}


async def test_workflows_that_do_not_obey_are_terminated(world: World) -> None:
    await world.create_active("a")
    await world.start_continuous()
    await world.set_state(store.LoadBalancerState.DELETING)

    stopping = asyncio.create_task(world.do(activities.stop_continuous_workflows, KEY))
    while not stopping.done():
        await world.clock.advance(1)
        await asyncio.sleep(0.001)

    await stopping
    assert await world.open_ids() == set()
