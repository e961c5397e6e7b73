"""What VMs say of backend instances (spec/elb-control-plane 5.8, 10.2)."""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import document
from elbflow.store import conditions, documents
from elbflow_activities import changes
from elbflow_activities.environment import Environment

log = structlog.get_logger()

_CONDITIONS = {
    document.InstanceState.IN_SERVICE: conditions.HEALTHY,
    document.InstanceState.OUT_OF_SERVICE: conditions.UNHEALTHY,
}


class InstanceStatus:
    """Health reports become rows."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def update_instance_status(
        self, key: document.LoadBalancerKey, instance_id: str, report: document.HealthReport
    ) -> bool:
        now = self._env.clock.now()
        async with changes.changing(self._env, key) as change:
            vm = next((vm for vm in documents.talking_vms(change.lb) if vm.instance_id == instance_id), None)
            if vm is None:
                return False
            await change.tx.vms.set_reported(instance_id, now)
            if report.problems is not None and report.problems != vm.problems:
                await change.tx.vms.set_problems(instance_id, report.problems)
                log.info("listener_problems", instance_id=instance_id, ports=[one.port for one in report.problems])
            accepted = accept(change.lb, vm, report)
            await change.tx.backends.touch(change.lb.id, (backend.instance_id for backend, _ in accepted), now)
            for backend, condition in accepted:
                if not condition.describes(backend):
                    await change.set_condition(backend, condition)
                    log.info("instance_state", instance_id=backend.instance_id, state=condition.state.value)
        return change.documents_changed


def accept(
    lb: store.LoadBalancer, vm: store.Vm, report: document.HealthReport
) -> list[tuple[store.Backend, conditions.Condition]]:
    """What of a report counts: decided states of registered instances of the VM's zone, or of no zone.

    An instance that the cloud says is stopped stays so whatever answers on its address.
    """
    said = {one.instance_id: one.state for one in report.instances}
    return [
        (backend, _CONDITIONS[state])
        for backend in lb.backends
        if (state := said.get(backend.instance_id)) in _CONDITIONS
        and backend.zone in (vm.zone, None)
        and not conditions.STOPPED.describes(backend)
    ]
