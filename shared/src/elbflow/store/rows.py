"""Between rows and the store's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import sqlalchemy as sa

from elbflow.contract import document
from elbflow.store import model

ByLoadBalancer: TypeAlias = dict[int, list[sa.RowMapping]]


def load_balancer(head: sa.RowMapping, parts: dict[str, ByLoadBalancer]) -> model.LoadBalancer:
    """Assemble the aggregate of one ``load_balancers`` row."""

    def own(table: str) -> Sequence[sa.RowMapping]:
        return parts[table].get(head["id"], ())

    return model.LoadBalancer(
        id=head["id"],
        key=document.LoadBalancerKey(head["account"], head["name"]),
        dns_name=head["dns_name"],
        scheme=head["scheme"],
        state=model.LoadBalancerState(head["state"]),
        generation=head["generation"],
        created_at=head["created_at"],
        attributes=document.Attributes(**head["attributes"]),
        health_check=document.HealthCheck(**head["health_check"]) if head["health_check"] else None,
        listeners=tuple(listener(row) for row in own("listeners")),
        policies=tuple(policy(row) for row in own("policies")),
        zones=tuple(model.Zone(row["name"], model.ZoneState(row["state"])) for row in own("zones")),
        backends=tuple(backend(row) for row in own("backends")),
        vms=tuple(vm(row) for row in own("vms")),
        tags=tuple((row["key"], row["value"]) for row in own("tags")),
    )


def listener(row: sa.RowMapping) -> document.Listener:
    return document.Listener(
        protocol=document.Protocol(row["protocol"]),
        port=row["port"],
        instance_protocol=document.Protocol(row["instance_protocol"]),
        instance_port=row["instance_port"],
        certificate_arn=row["certificate_arn"],
        policy_names=tuple(row["policy_names"]),
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


def policy(row: sa.RowMapping) -> document.Policy:
    return document.Policy(row["name"], row["type_name"], tuple((name, value) for name, value in row["attributes"]))


def backend(row: sa.RowMapping) -> model.Backend:
    return model.Backend(
        instance_id=row["instance_id"],
        address=row["address"],
        zone=row["zone"],
        state=model.BackendState(row["state"]),
        reason_code=row["reason_code"],
        description=row["description"],
        registered_at=row["registered_at"],
        reported_at=row["reported_at"],
    )


def vm(row: sa.RowMapping) -> model.Vm:
    return model.Vm(
        instance_id=row["instance_id"],
        zone=row["zone"],
        address=row["address"],
        state=model.VmState(row["state"]),
        launched_at=row["launched_at"],
        applied_generation=row["applied_generation"],
        applied_hash=row["applied_hash"],
        problems=tuple(document.ListenerProblem(port, reason) for port, reason in row["problems"]),
        reported_at=row["reported_at"],
        failures=row["failures"],
        failure_window_at=row["failure_window_at"],
        failed_at=row["failed_at"],
        metrics_sequence=row["metrics_sequence"],
    )
