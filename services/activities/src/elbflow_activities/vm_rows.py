"""From a scaling group's members to VM rows (spec/elb-control-plane 2.9). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from elbflow import store
from elbflow_activities.cloud import base

_STATES = {
    base.VmPhase.PENDING: store.VmState.PENDING,
    base.VmPhase.IN_SERVICE: store.VmState.IN_SERVICE,
    base.VmPhase.UNHEALTHY: store.VmState.ERROR,
    base.VmPhase.TERMINATING: store.VmState.OUT_OF_SERVICE,
}


def of_members(known: Iterable[store.Vm], members: Iterable[base.CloudVm], now: float) -> tuple[store.Vm, ...]:
    """The rows to save for the members of scaling groups: new ones, and those that moved. Retired ones stay so."""
    rows = {vm.instance_id: vm for vm in known}
    wanted = []
    for member in members:
        row = rows.get(member.instance_id)
        if row is not None and row.state is store.VmState.RETIRED:
            continue
        state = _STATES[member.phase]
        if row is None or (row.zone, row.address, row.state) != (member.zone, member.address, state):
            wanted.append(store.Vm(member.instance_id, member.zone, member.address, state, launched_at=now))
    return tuple(wanted)


def lost(known: Iterable[store.Vm], members: Iterable[base.CloudVm]) -> tuple[str, ...]:
    """Rows whose VM no scaling group has any more, and that do not say so yet."""
    present = {member.instance_id for member in members}
    over = (store.VmState.RETIRED, store.VmState.ERROR)
    return tuple(vm.instance_id for vm in known if vm.instance_id not in present and vm.state not in over)
