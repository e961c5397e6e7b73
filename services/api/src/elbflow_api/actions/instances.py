"""RegisterInstancesWithLoadBalancer and DeregisterInstancesFromLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from elbflow import store
from elbflow_api import faults, mutation, query
from elbflow_api.cloud import base
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import health_states, instances, limits


async def register_instances(call: Call, room: Dependencies) -> query.Response:
    """Register instances, all of them or none; answers every registered instance. Registered ones are no error."""
    wanted = instances.read_ids(call.params.structures("Instances"))
    known = await room.cloud.instances(call.key.account, wanted)
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        registered = {backend.instance_id for backend in lb.backends}
        new = [instance_id for instance_id in wanted if instance_id not in registered]
        if not new:
            return _answer(backend.instance_id for backend in lb.backends)
        most = limits.of(call.quotas, room.settings)[limits.INSTANCES]
        if len(registered) + len(new) > most:
            raise faults.invalid_configuration(f"A Load Balancer cannot have more than {most} registered instances")
        instances.require_reportable((*registered, *new))
        backends = _backends(lb, new, known, room)
        await tx.backends.add(lb.id, backends)
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return _answer(backend.instance_id for backend in (*lb.backends, *backends))


async def deregister_instances(call: Call, room: Dependencies) -> query.Response:
    """Deregister instances, all of them or none; answers the instances still registered.

    ``InvalidInstance`` for an instance that is not registered, as AWS answers.
    """
    wanted = instances.read_ids(call.params.structures("Instances"))
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        left = [backend.instance_id for backend in lb.backends if backend.instance_id not in wanted]
        instances.require_registered(lb, wanted)
        if not wanted:
            return _answer(left)
        await tx.backends.remove(lb.id, wanted)
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return _answer(left)


def _backends(
    lb: store.LoadBalancer, new: Iterable[str], known: Mapping[str, base.Instance], room: Dependencies
) -> list[store.Backend]:
    """As at AWS an instance of a zone that is not enabled may be registered, and waits until the zone is."""
    backends = []
    for instance_id in new:
        instance = known.get(instance_id)
        if instance is None:
            raise faults.instance_not_found(instance_id)
        elsewhere = instance.zone is not None and instance.zone not in lb.enabled_zones
        if elsewhere and room.settings.compatibility_other_zones_refused:
            raise faults.invalid_configuration(
                f"Instance {instance_id} is in Availability Zone {instance.zone}, "
                f"which is not enabled for Load Balancer '{lb.key.name}'"
            )
        health = health_states.ZONE_DISABLED if elsewhere else health_states.REGISTERING
        backends.append(
            store.Backend(
                instance_id=instance_id,
                address=_address(instance, lb),
                zone=instance.zone,
                state=health.state,
                reason_code=health.reason_code,
                description=health.description,
                registered_at=room.clock.now(),
            )
        )
    return backends


def _address(instance: base.Instance, lb: store.LoadBalancer) -> str:
    """Where the load balancer finds an instance that may be registered with it."""
    instance_id = instance.instance_id
    if instance.state != "running":
        raise faults.invalid_instance(f"Instance {instance_id} is not in a valid state: {instance.state}")
    address = instance.address_for(lb.vpc_id)
    if address is None and lb.vpc_id is not None:
        raise faults.invalid_instance(f"EC2 instance {instance_id} is not in the same VPC as ELB.")
    if address is None:
        raise faults.invalid_instance(f"Instance {instance_id} has no address outside of its VPC")
    return address


def _answer(instance_ids: Iterable[str]) -> query.Response:
    return {"Instances": [{"InstanceId": instance_id} for instance_id in instance_ids]}
