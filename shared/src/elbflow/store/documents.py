"""From the store's aggregate to the documents of its VMs (spec/elb-control-plane 6.3). Pure."""

from __future__ import annotations

from elbflow.contract import document
from elbflow.store import conditions, model

TALKING = frozenset({model.VmState.PENDING, model.VmState.IN_SERVICE})
"""States of VMs that get tasks: others would let them time out (spec 11.1 no. 6)."""


def talking_vms(lb: model.LoadBalancer) -> tuple[model.Vm, ...]:
    """VMs that should serve the load balancer."""
    zones = lb.enabled_zones
    return tuple(vm for vm in lb.vms if vm.state in TALKING and vm.zone in zones)


def of_zone(lb: model.LoadBalancer, zone: str) -> document.LoadBalancerDocument:
    """The document of the VMs of one enabled zone."""
    return document.LoadBalancerDocument(
        key=lb.key,
        generation=lb.generation,
        zone=zone,
        listeners=lb.listeners,
        backends=_backends(lb, zone),
        health_check=lb.health_check,
        policies=_policies(lb),
        backend_policies=_backend_policies(lb),
        attributes=lb.attributes,
    )


def hashes(lb: model.LoadBalancer) -> dict[str, str]:
    """What each VM should serve, by instance id; equal hashes leave a VM nothing to do."""
    vms = talking_vms(lb)
    by_zone = {zone: of_zone(lb, zone).content_hash() for zone in {vm.zone for vm in vms}}
    return {vm.instance_id: by_zone[vm.zone] for vm in vms}


def _backends(lb: model.LoadBalancer, zone: str) -> tuple[document.BackendInstance, ...]:
    """The zone's own instances, and healthy ones of other zones when it may or must use them (EUCA-13233)."""
    reachable = [backend for backend in lb.backends if backend.address]
    own = [backend for backend in reachable if backend.zone in (zone, None) and _is_probed(backend)]
    chosen = [document.BackendInstance(one.instance_id, one.address) for one in own]
    if lb.attributes.cross_zone or not any(_in_service(backend) for backend in own):
        chosen += [
            document.BackendInstance(one.instance_id, one.address, report_health=False)
            for one in reachable
            if one.zone not in (zone, None) and _in_service(one)
        ]
    return tuple(chosen)


def _is_probed(backend: model.Backend) -> bool:
    return backend.state is not model.BackendState.ERROR or conditions.is_unreachable(backend)


def _in_service(backend: model.Backend) -> bool:
    return backend.state is model.BackendState.IN_SERVICE


def _backend_policies(lb: model.LoadBalancer) -> tuple[document.BackendServerPolicies, ...]:
    """Those of ports that some listener uses: others outlived their listeners and mean nothing to a VM."""
    ports = {listener.instance_port for listener in lb.listeners}
    return tuple(one for one in lb.backend_policies if one.instance_port in ports and one.policy_names)


def _policies(lb: model.LoadBalancer) -> tuple[document.Policy, ...]:
    """Those in use, and the public keys that backend authentication refers to (spec 3.1)."""
    wanted = {name for listener in lb.listeners for name in listener.policy_names}
    wanted |= {name for backend in _backend_policies(lb) for name in backend.policy_names}
    wanted |= {
        value
        for policy in lb.policies
        if policy.name in wanted
        for name, value in policy.attributes
        if name == "PublicKeyPolicyName"
    }
    return tuple(policy for policy in lb.policies if policy.name in wanted)
