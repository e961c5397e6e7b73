"""A load balancer's life on the real engine: created, served, changed, deleted."""

from __future__ import annotations

import dataclasses
import random

from tests.integration.control_plane.stack import KEY, Stack, until
from tests.unit.activities.world import CERTIFICATE, certificate
from tests.unit.contract.test_transport import largest

from elbflow import store
from elbflow.contract import document, names, transport, workflows
from elbflow.contract.workflows import Outcome, OutcomeState

SUCCESS = Outcome(OutcomeState.SUCCESS)


async def test_create_serve_delete(stack: Stack) -> None:
    assert await stack.create("a", "b") == SUCCESS

    lb = await stack.served()
    assert lb.state is store.LoadBalancerState.ACTIVE
    assert lb.enabled_zones == ("a", "b")
    assert {vm.applied_generation for vm in lb.vms} == {lb.generation}
    assert await stack.open_ids() == set(names.continuous_workflow_ids(KEY))
    for vm in stack.host.of("web"):
        assert vm.applied[-1].health_check == document.HealthCheck("TCP:8000", 30, 5, 2, 10)
        assert [one.port for one in vm.applied[-1].listeners] == [80]

    assert await stack.delete() == SUCCESS

    assert await stack.row_counts() == {}
    assert await stack.open_ids() == set()
    assert stack.host.vms == {}


async def test_registered_instances_reach_the_vms_and_their_health_comes_back(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()
    row = store.Backend(
        "10.1.1.1",
        "10.1.1.1",
        None,
        store.BackendState.OUT_OF_SERVICE,
        "ELB",
        "Instance registration is still in progress.",
        registered_at=stack.clock.now(),
    )
    generation = await stack.change(lambda tx, lb_id: tx.backends.add(lb_id, [row]))

    lb = await stack.served()
    (vm,) = stack.host.of("web")
    assert lb.generation == generation
    assert [one.instance_id for one in vm.applied[-1].backends] == ["10.1.1.1"]

    await vm.see(**{"10.1.1.1": document.InstanceState.IN_SERVICE})
    await until(lambda: _is(stack, store.BackendState.IN_SERVICE))
    await vm.see(**{"10.1.1.1": document.InstanceState.OUT_OF_SERVICE})
    await until(lambda: _is(stack, store.BackendState.OUT_OF_SERVICE))
    problem = document.ListenerProblem(80, "port is in use by another process")
    await vm.have(problem)
    await until(lambda: _has(stack, problem))
    await vm.have()
    await until(lambda: _has(stack))
    assert (await stack.lb()).generation == generation


async def _has(stack: Stack, *problems: document.ListenerProblem) -> bool:
    return (await stack.lb()).vms[0].problems == problems


async def test_zones_are_enabled_and_disabled(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()

    outcome = await stack.run(workflows.ENABLE_ZONE, "enable-zones", workflows.ZonesInput(KEY, ("b",)))
    assert outcome == SUCCESS
    lb = await stack.served()
    assert {vm.zone for vm in lb.vms} == {"a", "b"}

    outcome = await stack.run(workflows.DISABLE_ZONE, "disable-zones", workflows.ZonesInput(KEY, ("a",)))
    assert outcome == SUCCESS
    lb = await stack.served()
    assert lb.enabled_zones == ("b",)
    assert [vm.applied[-1].zone for vm in stack.host.of("web")] == ["b"]


async def test_attributes_reach_the_vms(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()

    request = workflows.AttributesInput(KEY, document.Attributes(idle_timeout_s=120))
    assert await stack.run(workflows.MODIFY_ATTRIBUTES, "modify-attributes", request) == SUCCESS

    await stack.served()
    (vm,) = stack.host.of("web")
    assert vm.applied[-1].attributes.idle_timeout_s == 120


async def test_listeners_are_created_and_deleted(stack: Stack) -> None:
    await stack.create("a")
    second = document.Listener(document.Protocol.TCP, 81, document.Protocol.TCP, 9000)
    lb = await stack.served()
    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.add_listeners(lb.id, [second])

    request = workflows.ListenersInput(KEY, (81,))
    assert await stack.run(workflows.CREATE_LISTENERS, "create-listeners", request) == SUCCESS
    assert await stack.env.cloud.open_ports(names.security_group_name(KEY)) == (80, 81)

    async with stack.env.db.transaction() as tx:
        await tx.load_balancers.delete_listeners(lb.id, [81])
    assert await stack.run(workflows.DELETE_LISTENERS, "delete-listeners", request) == SUCCESS
    assert await stack.env.cloud.open_ports(names.security_group_name(KEY)) == (80,)


async def test_a_certificate_is_authorised_served_and_the_former_one_revoked(stack: Stack) -> None:
    former, new, missing = (f"arn:aws:iam::{KEY.account}:server-certificate/{name}" for name in ("one", "two", "three"))
    await stack.create("a")
    lb = await stack.served()
    async with stack.env.db.transaction() as tx:
        for arn in (former, new):
            name = arn.rsplit("/", 1)[-1]
            certificate = store.ServerCertificate(KEY.account, name, "/", name, arn, "pem", None, b"sealed", 0.0, 1e10)
            await tx.server_certificates.add(certificate)
        https = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8000, former)
        await tx.load_balancers.add_listeners(lb.id, [https])
    assert await stack.run(workflows.CREATE_LISTENERS, "create", workflows.ListenersInput(KEY, (443,))) == SUCCESS

    async def change(arn: str) -> Outcome:
        before = (await stack.lb()).listeners[1].certificate_arn
        async with stack.env.db.transaction() as tx:
            await tx.load_balancers.set_listener_certificate(lb.id, 443, arn)
        request = workflows.CertificateInput(KEY, 443, arn, before)
        return await stack.run(workflows.SET_CERTIFICATE, "set-certificate", request)

    assert await change(new) == SUCCESS
    await stack.served()
    (vm,) = stack.host.of("web")
    assert vm.applied[-1].listeners[1].certificate_arn == new
    assert await _certificates(stack) == {names.certificate_policy_name(KEY, new)}

    assert (await change(missing)).status == 400
    await stack.served()
    assert vm.applied[-1].listeners[1].certificate_arn == new
    assert await _certificates(stack) == {names.certificate_policy_name(KEY, new)}

    renamed = f"{new}-renamed"
    async with stack.env.db.transaction() as tx:
        found = await tx.server_certificates.by_arn(new)
        assert found is not None
        await tx.server_certificates.update(dataclasses.replace(found, name="renamed", arn=renamed))
        await tx.server_certificates.exchange(lb.id, new, renamed)
    request = workflows.CertificateInput(KEY, 443, renamed, renamed)
    assert await stack.run(workflows.SET_CERTIFICATE, "rename-certificate", request) == SUCCESS
    await stack.served()
    assert vm.applied[-1].listeners[1].certificate_arn == renamed
    assert await _certificates(stack) == {names.certificate_policy_name(KEY, renamed)}


async def test_policies_of_back_ends_reach_the_vms(stack: Stack) -> None:
    await stack.create("a")
    await stack.served()
    policy = document.Policy("proxy", "ProxyProtocolPolicyType", (("ProxyProtocol", "true"),))
    wanted = document.BackendServerPolicies(8000, ("proxy",))

    async def set_it(tx: store.Repositories, lb_id: int) -> None:
        await tx.load_balancers.add_policy(lb_id, policy)
        await tx.load_balancers.set_backend_policies(lb_id, [wanted])

    await stack.change(set_it)
    await stack.served()
    (vm,) = stack.host.of("web")
    assert (vm.applied[-1].backend_policies, vm.applied[-1].policies) == ((wanted,), (policy,))


async def test_a_creation_that_fails_leaves_nothing(stack: Stack) -> None:
    outcome = await stack.create("a", "nowhere")

    assert outcome == Outcome(OutcomeState.FAILED, 400, "Availability Zone not found: nowhere")
    assert await stack.row_counts() == {}
    assert await stack.open_ids() == set()


async def test_a_name_can_be_used_again_at_once(stack: Stack) -> None:
    for _ in range(2):
        assert await stack.create("a") == SUCCESS
        await stack.served()
        assert await stack.delete() == SUCCESS
    assert await stack.row_counts() == {}


async def _certificates(stack: Stack) -> set[str]:
    """The role's permissions to fetch certificates."""
    return set(await stack.env.cloud.role_policies(names.role_name(KEY))) - {names.VM_POLICY}


async def _is(stack: Stack, state: store.BackendState) -> bool:
    return (await stack.lb()).backends[0].state is state


async def test_an_https_listener_reaches_the_vms_when_they_may_fetch_its_certificate(stack: Stack) -> None:
    await stack.create("a")
    lb = await stack.served()
    https = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 8000, CERTIFICATE)
    async with stack.env.db.transaction() as tx:
        await tx.server_certificates.add(certificate())
        await tx.load_balancers.add_listeners(lb.id, [https])
    (vm,) = stack.host.of("web")
    permitted: list[bool] = []

    async def look() -> None:
        policies = await stack.env.cloud.role_policies(names.role_name(KEY))
        permitted.append(names.certificate_policy_name(KEY, CERTIFICATE) in policies)

    vm.before_applying = look
    request = workflows.ListenersInput(KEY, (443,))
    assert await stack.run(workflows.CREATE_LISTENERS, "create-listeners", request) == SUCCESS
    await stack.served()
    assert [one.port for one in vm.applied[-1].listeners] == [80, 443]
    assert set(permitted) == {True}


async def test_the_largest_load_balancer_reaches_its_vms(stack: Stack) -> None:
    """No payload of SWF can carry its document: it travels in parts, and small changes of it too."""
    wanted = largest(random.Random(1), public_keys=20)
    await stack.create("a")
    await stack.served()

    async def grow(tx: store.Repositories, lb_id: int) -> None:
        for policy in wanted.policies:
            await tx.load_balancers.add_policy(lb_id, policy)
        await tx.load_balancers.add_listeners(lb_id, wanted.listeners[80:])
        await tx.load_balancers.set_backend_policies(lb_id, wanted.backend_policies[80:])
        await tx.backends.add(lb_id, [_row(one, stack) for one in wanted.backends])

    generation = await stack.change(grow)
    lb = await stack.served()
    (vm,) = stack.host.of("web")
    assert lb.generation == generation
    assert {one.instance_id for one in vm.applied[-1].backends} == {one.instance_id for one in wanted.backends}
    assert vm.applied[-1].backend_policies == wanted.backend_policies[80:]
    assert not transport.fits_alone(vm.applied[-1])

    check = document.HealthCheck("TCP:9000", 10, 2, 2, 2)
    generation = await stack.change(lambda tx, lb_id: tx.load_balancers.set_health_check(lb_id, check))
    assert (await stack.served()).generation == generation
    assert vm.applied[-1].health_check == check

    states = {one.instance_id: document.InstanceState.IN_SERVICE for one in wanted.backends}
    await vm.see(**states)
    await until(lambda: _all_in_service(stack))


def _row(one: document.BackendInstance, stack: Stack) -> store.Backend:
    return store.Backend(
        one.instance_id,
        one.address,
        "a",
        store.BackendState.OUT_OF_SERVICE,
        "ELB",
        "Instance registration is still in progress.",
        registered_at=stack.clock.now(),
    )


async def _all_in_service(stack: Stack) -> bool:
    return {one.state for one in (await stack.lb()).backends} == {store.BackendState.IN_SERVICE}
