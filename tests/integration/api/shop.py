"""Small workflows and activities that keep the API's side of the bargain: enough to see real outcomes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from elbflow import errors, flow, polling, store, swf
from elbflow.contract import activities, document, names, workflows

DONE = workflows.Outcome(workflows.OutcomeState.SUCCESS)


def _failed(error: flow.ActivityError) -> workflows.Outcome:
    permanent = isinstance(error, flow.ActivityFailed) and error.permanent
    reason = error.message if isinstance(error, flow.ActivityFailed) else str(error)
    return workflows.Outcome(workflows.OutcomeState.FAILED, 400 if permanent else 500, reason)


@flow.workflow(workflows.CREATE_LOAD_BALANCER)
class Create:
    async def run(self, request: workflows.CreateLoadBalancerInput) -> workflows.Outcome:
        try:
            await activities.admission_control(request.key, request.zones)
            await activities.enable_zones_persist(request.key, request.zones)
            await activities.listener_default_health_check(request.key)
            await activities.create_load_balancer_commit(request.key)
        except flow.ActivityError as error:
            await activities.create_load_balancer_rollback(request.key)
            return _failed(error)
        return DONE


@flow.workflow(workflows.DELETE_LOAD_BALANCER)
class Delete:
    async def run(self, request: workflows.LoadBalancerInput) -> workflows.Outcome:
        try:
            await activities.delete_deactivate_dns(request.key)
            await activities.delete_load_balancer_remove(request.key)
        except flow.ActivityError as error:
            return _failed(error)
        return DONE


@flow.workflow(workflows.CREATE_LISTENERS)
class CreateListeners:
    async def run(self, request: workflows.ListenersInput) -> workflows.Outcome:
        try:
            await activities.listener_authorize_ingress(request.key, request.ports)
        except flow.ActivityError as error:
            await activities.listener_rollback(request.key, request.ports)
            return _failed(error)
        return DONE


@flow.workflow(workflows.DELETE_LISTENERS)
class DeleteListeners:
    async def run(self, request: workflows.ListenersInput) -> workflows.Outcome:
        await activities.listener_revoke_ingress(request.key, request.ports)
        return DONE


@flow.workflow(workflows.SET_CERTIFICATE)
class SetCertificate:
    async def run(self, request: workflows.CertificateInput) -> workflows.Outcome:
        try:
            await activities.listener_certificate_commit(request.key)
        except flow.ActivityError as error:
            await activities.listener_certificate_rollback(
                request.key, request.port, request.certificate_arn, request.former_arn
            )
            return _failed(error)
        return DONE


@flow.workflow(workflows.ENABLE_ZONE)
class EnableZone:
    async def run(self, request: workflows.ZonesInput) -> workflows.Outcome:
        try:
            await activities.admission_control(request.key, request.zones)
            await activities.enable_zones_persist(request.key, request.zones)
        except flow.ActivityError as error:
            return _failed(error)
        return DONE


@flow.workflow(workflows.DISABLE_ZONE)
class DisableZone:
    async def run(self, request: workflows.ZonesInput) -> workflows.Outcome:
        await activities.disable_zones_persist(request.key, request.zones)
        return DONE


@flow.workflow(workflows.MODIFY_ATTRIBUTES)
class ModifyAttributes:
    async def run(self, request: workflows.AttributesInput) -> workflows.Outcome:
        await activities.persist_attributes(request.key, request.attributes)
        return DONE


@flow.workflow(workflows.APPLY_SECURITY_GROUPS)
class ApplySecurityGroups:
    async def run(self, request: workflows.SecurityGroupsInput) -> workflows.Outcome:
        try:
            await activities.apply_security_groups(request.key, request.groups)
        except flow.ActivityError as error:
            return _failed(error)
        await activities.persist_security_groups(request.key, request.groups)
        return DONE


@flow.workflow(workflows.UPDATE_LOAD_BALANCER)
class Update:
    """Takes signals until it is cancelled; its history is what tests look at."""

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        await flow.wait_condition(lambda: False)

    @flow.signal(workflows.UPDATE_IMMEDIATELY)
    def update_immediately(self, generation: int) -> None:
        flow.set_state(generation)


WORKFLOWS = (
    Create,
    Delete,
    CreateListeners,
    DeleteListeners,
    SetCertificate,
    EnableZone,
    DisableZone,
    ModifyAttributes,
    ApplySecurityGroups,
    Update,
)


class Shop:
    """Carries out the activities on the store. Tests make it refuse or hold back work by load-balancer name."""

    def __init__(self, db: store.Store) -> None:
        self._db = db
        self.refuse: dict[str, str] = {}
        self.break_down: set[str] = set()
        self.hold: dict[str, asyncio.Event] = {}
        self.calls: list[tuple[str, str]] = []

    def registry(self) -> flow.ActivityRegistry:
        registry = flow.ActivityRegistry()
        registry.bind(activities.admission_control, self.admission_control)
        registry.bind(activities.enable_zones_persist, self.enable_zones)
        registry.bind(activities.disable_zones_persist, self.disable_zones)
        registry.bind(activities.listener_default_health_check, self.default_health_check)
        registry.bind(activities.create_load_balancer_commit, self.commit)
        registry.bind(activities.create_load_balancer_rollback, self.remove)
        registry.bind(activities.delete_deactivate_dns, self.deactivate_dns)
        registry.bind(activities.delete_load_balancer_remove, self.remove)
        registry.bind(activities.listener_authorize_ingress, self.authorize)
        registry.bind(activities.listener_revoke_ingress, self.revoke)
        registry.bind(activities.listener_rollback, self.rollback_listeners)
        registry.bind(activities.listener_certificate_commit, self.commit_certificate)
        registry.bind(activities.listener_certificate_rollback, self.rollback_certificate)
        registry.bind(activities.persist_attributes, self.persist_attributes)
        registry.bind(activities.apply_security_groups, self.apply_security_groups)
        registry.bind(activities.persist_security_groups, self.persist_security_groups)
        return registry

    async def admission_control(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._gate("admission_control", key)

    async def enable_zones(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._set_zones(key, zones, store.ZoneState.IN_SERVICE)

    async def disable_zones(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._gate("disable_zones", key)
        await self._set_zones(key, zones, store.ZoneState.OUT_OF_SERVICE)

    async def default_health_check(self, key: document.LoadBalancerKey) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            if lb.health_check is None and lb.listeners:
                await tx.load_balancers.set_health_check(
                    lb.id, document.HealthCheck(f"TCP:{lb.listeners[0].instance_port}", 30, 5, 3, 3)
                )

    async def commit(self, key: document.LoadBalancerKey) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.ACTIVE)

    async def deactivate_dns(self, key: document.LoadBalancerKey) -> None:
        await self._gate("deactivate_dns", key)

    async def remove(self, key: document.LoadBalancerKey) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.find(key)
            if lb is not None:
                await tx.load_balancers.delete(lb.id)

    async def authorize(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> tuple[int, ...]:
        await self._gate("authorize", key)
        return ports

    async def revoke(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        await self._gate("revoke", key)

    async def rollback_listeners(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.delete_listeners(lb.id, ports)

    async def commit_certificate(self, key: document.LoadBalancerKey) -> None:
        await self._gate("commit_certificate", key)

    async def rollback_certificate(
        self, key: document.LoadBalancerKey, port: int, arn: str, former_arn: str | None
    ) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.set_listener_certificate(lb.id, port, former_arn)

    async def persist_attributes(self, key: document.LoadBalancerKey, attributes: document.Attributes) -> int:
        await self._gate("persist_attributes", key)
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.set_attributes(lb.id, attributes)
        return lb.generation

    async def apply_security_groups(
        self, key: document.LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]
    ) -> None:
        await self._gate("apply_security_groups", key)

    async def persist_security_groups(
        self, key: document.LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]
    ) -> int:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.set_security_groups(lb.id, groups)
        return lb.generation

    async def _gate(self, step: str, key: document.LoadBalancerKey) -> None:
        self.calls.append((step, key.name))
        if event := self.hold.get(key.name):
            await event.wait()
        if reason := self.refuse.get(key.name):
            raise errors.Permanent(reason)

    async def _set_zones(self, key: document.LoadBalancerKey, zones: tuple[str, ...], state: store.ZoneState) -> None:
        async with self._db.transaction() as tx:
            lb = await tx.load_balancers.get(key)
            await tx.load_balancers.set_zones(lb.id, zones, state)


@contextlib.asynccontextmanager
async def workers(service: swf.Service, shop: Shop) -> AsyncIterator[None]:
    """Decider and activities over real long polls."""
    profile = polling.EndpointProfile.local()
    async with (
        polling.Scheduler(service, profile=profile, identity="shop") as scheduler,
        flow.DecisionWorker(
            service,
            scheduler,
            domain=names.DOMAIN,
            task_list=names.TASK_LIST,
            workflows=WORKFLOWS,
            identity="shop",
            retention_days=1,
        ),
        flow.ActivityWorker(
            service,
            scheduler,
            domain=names.DOMAIN,
            task_list=names.TASK_LIST,
            registry=shop.registry(),
            identity="shop",
        ),
    ):
        yield
