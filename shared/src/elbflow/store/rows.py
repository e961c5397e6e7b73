"""Between rows and the store's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from elbflow.contract import document
from elbflow.store import model

Parts: TypeAlias = dict[str, dict[int, list[Any]]]
"""What belongs to load balancers: by table, then by load balancer's id, in the order in which it is shown."""

# Thousands are looked up for one page of load balancers; calling the class takes four times as long.
_BACKEND_STATES = {state.value: state for state in model.BackendState}
_PROTOCOLS = {protocol.value: protocol for protocol in document.Protocol}
_VM_STATES = {state.value: state for state in model.VmState}
_ZONE_STATES = {state.value: state for state in model.ZoneState}


def load_balancer(head: sa.RowMapping, parts: Parts) -> model.LoadBalancer:
    """Assemble the aggregate of one ``load_balancers`` row; what is not among the ``parts`` stays empty."""

    def own(table: str) -> tuple[Any, ...]:
        return tuple(parts[table].get(head["id"], ())) if table in parts else ()

    return model.LoadBalancer(
        id=head["id"],
        key=document.LoadBalancerKey(head["account"], head["name"]),
        dns_name=head["dns_name"],
        scheme=head["scheme"],
        state=model.LoadBalancerState(head["state"]),
        generation=head["generation"],
        created_at=head["created_at"],
        attributes=attributes(head["attributes"]),
        health_check=document.HealthCheck(**head["health_check"]) if head["health_check"] else None,
        listeners=own("listeners"),
        policies=own("policies"),
        zones=own("zones"),
        backends=own("backends"),
        vms=own("vms"),
        tags=own("tags"),
        vpc_id=head["vpc_id"],
        security_groups=tuple(document.SecurityGroup(group_id, name) for group_id, name in head["security_groups"]),
        backend_policies=tuple(
            document.BackendServerPolicies(port, tuple(names)) for port, names in head["backend_policies"]
        ),
    )


def attributes(stored: Mapping[str, Any]) -> document.Attributes:
    """Attributes as an earlier build may have stored them: what it did not know has its default."""
    mode = stored.get("desync_mitigation", document.DesyncMitigation.DEFENSIVE)
    return document.Attributes(**{**stored, "desync_mitigation": document.DesyncMitigation(mode)})


# --- parts: the parameters are the columns that are read, by their names ---------------------------------------------


def listener(
    protocol: str,
    port: int,
    instance_protocol: str,
    instance_port: int,
    certificate_arn: str | None,
    policy_names: list[str],
) -> document.Listener:
    return document.Listener(
        _PROTOCOLS[protocol],
        port,
        _PROTOCOLS[instance_protocol],
        instance_port,
        certificate_arn,
        tuple(policy_names),
    )


def listener_values(lb_id: int, one: document.Listener) -> dict[str, object]:
    return {
        "load_balancer_id": lb_id,
        "protocol": one.protocol.value,
        "port": one.port,
        "instance_protocol": one.instance_protocol.value,
        "instance_port": one.instance_port,
        "certificate_arn": one.certificate_arn,
        "policy_names": list(one.policy_names),
    }


def policy(name: str, type_name: str, attributes: list[list[str]]) -> document.Policy:
    return document.Policy(name, type_name, tuple((key, value) for key, value in attributes))


def zone(name: str, state: str, subnet_id: str | None) -> model.Zone:
    return model.Zone(name, _ZONE_STATES[state], subnet_id)


def backend(
    instance_id: str,
    address: str,
    zone: str | None,
    state: str,
    reason_code: str,
    description: str,
    registered_at: float,
    reported_at: float | None,
) -> model.Backend:
    return model.Backend(
        instance_id, address, zone, _BACKEND_STATES[state], reason_code, description, registered_at, reported_at
    )


def vm(
    instance_id: str,
    zone: str,
    address: str,
    state: str,
    launched_at: float,
    applied_generation: int,
    applied_hash: str,
    problems: list[list[Any]],
    reported_at: float | None,
    failures: int,
    failure_window_at: float | None,
    failed_at: float | None,
    metrics_sequence: int | None,
) -> model.Vm:
    return model.Vm(
        instance_id,
        zone,
        address,
        _VM_STATES[state],
        launched_at,
        applied_generation,
        applied_hash,
        listener_problems(problems),
        reported_at,
        failures,
        failure_window_at,
        failed_at,
        metrics_sequence,
    )


def listener_problems(problems: list[list[Any]]) -> tuple[document.ListenerProblem, ...]:
    """As written: earlier builds wrote port and reason alone."""
    return tuple(document.ListenerProblem(*problem) for problem in problems)


def tag(key: str, value: str) -> tuple[str, str]:
    return key, value


def instance_id(instance_id: str) -> str:
    return instance_id
