"""RegisterInstancesWithLoadBalancer and DeregisterInstancesFromLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Iterable

from elbflow import store
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import health_states, instances, limits


async def register_instances(call: Call, room: Dependencies) -> query.Response:
    """Register instances, all of them or none; answers every registered instance. Registered ones are no error."""
    wanted = instances.read_ids(call.params.structures("Instances"))
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        registered = {backend.instance_id for backend in lb.backends}
        new = [instance_id for instance_id in wanted if instance_id not in registered]
        if not new:
            return _answer(backend.instance_id for backend in lb.backends)
        most = limits.of(call.quotas, room.settings)[limits.INSTANCES]
        if len(registered) + len(new) > most:
            raise faults.invalid_configuration(f"A Load Balancer cannot have more than {most} registered instances")
        backends = await _backends(tx, lb, new, room)
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


async def _backends(
    tx: store.Repositories, lb: store.LoadBalancer, new: list[str], room: Dependencies
) -> list[store.Backend]:
    known = {one.instance_id: one for one in await tx.instances.find(lb.key.account, new)}
    now = room.clock.now()
    backends = []
    for instance_id in new:
        address, zone = _location(instance_id, known.get(instance_id), lb)
        backends.append(
            store.Backend(
                instance_id=instance_id,
                address=address,
                zone=zone,
                state=store.BackendState.OUT_OF_SERVICE,
                reason_code=health_states.REGISTERING.reason_code,
                description=health_states.REGISTERING.description,
                registered_at=now,
            )
        )
    return backends


def _location(instance_id: str, known: store.Instance | None, lb: store.LoadBalancer) -> tuple[str, str | None]:
    """Address and zone of an instance that may be registered. An IP address is its own instance, in no zone."""
    if address := instances.ip_address(instance_id):
        return address, None
    if known is None:
        raise faults.instance_not_found(instance_id)
    if known.state != "running":
        raise faults.invalid_instance(f"Instance {instance_id} is not in a valid state: {known.state}")
    if known.zone not in lb.enabled_zones:
        raise faults.invalid_configuration(
            f"Instance {instance_id} is in Availability Zone {known.zone}, "
            f"which is not enabled for Load Balancer '{lb.key.name}'"
        )
    return known.address, known.zone


def _answer(instance_ids: Iterable[str]) -> query.Response:
    return {"Instances": [{"InstanceId": instance_id} for instance_id in instance_ids]}
