"""What a load balancer's VMs would have to change: hypothetical settings, documents, and the agent's answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import pydantic

from elbflow import errors, store
from elbflow.contract import document
from elbflow.store import conditions, documents
from elbflow_standalone import layout

_TIMEOUT_S = 30.0
_DOCUMENT = pydantic.TypeAdapter(document.LoadBalancerDocument)

Edit: TypeAlias = Callable[[store.LoadBalancer], store.LoadBalancer]
"""A hypothetical change of the desired state."""


class NoAnswer(errors.Retryable):
    """The agent did not tell what a VM would change."""


class Impossible(errors.Permanent):
    """The hypothetical change makes no sense for this load balancer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would change, by ``means``: runtime, reload or start."""

    means: str
    port: int | None
    what: str


@dataclass(frozen=True, slots=True)
class VmPlan:
    """What one VM would change. ``why`` are the reasons for a reload or start; ``problems`` are per listener."""

    instance_id: str
    zone: str
    address: str
    steps: tuple[Step, ...] = ()
    why: tuple[str, ...] = ()
    problems: tuple[document.ListenerProblem, ...] = ()


class _Answer(pydantic.BaseModel):
    steps: tuple[Step, ...]
    why: tuple[str, ...]
    problems: tuple[document.ListenerProblem, ...]


def of_load_balancer(where: layout.Layout, lb: store.LoadBalancer, edits: Iterable[Edit]) -> list[VmPlan]:
    """What each VM of ``lb`` would change to serve it with ``edits``; raises :class:`NoAnswer`."""
    for edit in edits:
        lb = edit(lb)
    return [_ask(where, vm, documents.of_zone(lb, vm.zone)) for vm in documents.talking_vms(lb)]


def listener(
    protocol: document.Protocol,
    port: int,
    instance_protocol: document.Protocol,
    instance_port: int,
    certificate_arn: str | None = None,
) -> Edit:
    """Add a listener, or change the one on its port, which keeps its policies, and its certificate without another."""

    def edit(lb: store.LoadBalancer) -> store.LoadBalancer:
        known = lb.listener_on(port)
        arn = certificate_arn or (known.certificate_arn if known is not None else None)
        policies = known.policy_names if known is not None else ()
        added = document.Listener(protocol, port, instance_protocol, instance_port, arn, policies)
        others = tuple(each for each in lb.listeners if each.port != port)
        return replace(lb, listeners=(*others, added))

    return edit


def without_listener(port: int) -> Edit:
    """Remove a listener; raises :class:`Impossible` when there is none."""

    def edit(lb: store.LoadBalancer) -> store.LoadBalancer:
        if lb.listener_on(port) is None:
            raise Impossible(f"{lb.key.name} has no listener on port {port}")
        return replace(lb, listeners=tuple(each for each in lb.listeners if each.port != port))

    return edit


def idle_timeout(seconds: int) -> Edit:
    """Set the idle timeout."""
    return lambda lb: replace(lb, attributes=replace(lb.attributes, idle_timeout_s=seconds))


def registered(instance_id: str, known: Sequence[store.Instance]) -> Edit:
    """Register an instance of the directory ``known``; raises :class:`Impossible` for another."""

    def edit(lb: store.LoadBalancer) -> store.LoadBalancer:
        found = next((each for each in known if each.instance_id == instance_id), None)
        if found is None:
            raise Impossible(f"there is no instance {instance_id}; see: elbflow instances list")
        state = conditions.REGISTERING
        joined = store.Backend(
            instance_id=instance_id,
            address=found.address,
            zone=found.zone,
            state=state.state,
            reason_code=state.reason_code,
            description=state.description,
            registered_at=0.0,
        )
        others = tuple(each for each in lb.backends if each.instance_id != instance_id)
        return replace(lb, backends=(*others, joined))

    return edit


def deregistered(instance_id: str) -> Edit:
    """Deregister an instance; raises :class:`Impossible` when it is not registered."""

    def edit(lb: store.LoadBalancer) -> store.LoadBalancer:
        if not any(each.instance_id == instance_id for each in lb.backends):
            raise Impossible(f"{instance_id} is not registered with {lb.key.name}")
        return replace(lb, backends=tuple(each for each in lb.backends if each.instance_id != instance_id))

    return edit


def _ask(where: layout.Layout, vm: store.Vm, wanted: document.LoadBalancerDocument) -> VmPlan:
    request = urllib.request.Request(  # noqa: S310  # the stack's own address
        f"{where.admin_url('agent')}/vms/{vm.instance_id}/plan",
        data=_DOCUMENT.dump_json(wanted),
        headers={"Authorization": f"Bearer {where.token_file.read_text().strip()}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            told = _Answer.model_validate_json(answer.read())
    except urllib.error.HTTPError as error:
        raise NoAnswer(f"{vm.instance_id}: {json.loads(error.read()).get('error', error.reason)}") from error
    except OSError as error:
        raise NoAnswer(f"the agent does not answer ({error}); see: elbflow status") from error
    return VmPlan(vm.instance_id, vm.zone, vm.address, told.steps, told.why, told.problems)
