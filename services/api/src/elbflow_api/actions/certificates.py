"""SetLoadBalancerListenerSSLCertificate (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias

from elbflow import store
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import listeners

Known: TypeAlias = Collection[str] | None
"""Certificates that the cloud's IAM has; None where the store is to be asked."""


async def known(call: Call, room: Dependencies, wanted: Iterable[document.Listener]) -> Known:
    """Ask the cloud for the listeners' certificates, before the transaction that requires them."""
    arns = tuple(dict.fromkeys(one.certificate_arn for one in wanted if one.certificate_arn))
    return await room.cloud.certificates(call.key.account, arns) if arns else ()


async def require(tx: store.Repositories, account: str, wanted: Iterable[document.Listener], existing: Known) -> None:
    """Raise ``CertificateNotFound`` for a listener with a certificate that is not one of the account's."""
    for arn in dict.fromkeys(one.certificate_arn for one in wanted if one.certificate_arn):
        await _require(tx, account, arn, existing)


async def _require(tx: store.Repositories, account: str, arn: str, existing: Known) -> None:
    if existing is None:
        found = await tx.server_certificates.by_arn(arn, keep=True)
        if found is not None and found.account == account:
            return
    elif arn in existing:
        return
    raise faults.certificate_not_found(arn)


async def set_load_balancer_listener_ssl_certificate(call: Call, room: Dependencies) -> query.Response:
    """Change a listener's certificate and wait until the VMs may fetch it. The same certificate again is no error.

    Requests for one load balancer come one after the other, and not while listeners come or go: what one of them takes
    away another may need. When the workflow fails the listener has its former certificate. Where one was cut off, which
    leaves a certificate that VMs may not fetch, the repeated call does its work anew.
    """
    port, arn = call.params.integer("LoadBalancerPort"), call.params.text("SSLCertificateId")
    existing = await room.cloud.certificates(call.key.account, (arn,))
    written, lb = await _order(port, arn, existing, None, call, room)
    if lb is not None and (former := await _cut_off(lb, port, arn, room)) is not None:
        written, _ = await _order(port, arn, existing, former, call, room)
    if written:
        await _carry_out(written, call, port, room)
    return {}


async def _order(
    port: int, arn: str, existing: Known, again: workflows.CertificateInput | None, call: Call, room: Dependencies
) -> tuple[list[store.OutboxRow], store.LoadBalancer | None]:
    """Set the certificate and order what it needs; or what it needs ``again``.

    A listener that has it already is left alone otherwise, and the load balancer given back.
    """
    async with mutation.settled(
        workflows.SET_CERTIFICATE,
        call,
        room,
        concerns=lambda _: True,
        against=[workflows.CREATE_LISTENERS, workflows.DELETE_LISTENERS],
    ) as (tx, lb):
        former = _listener(lb, port).certificate_arn
        if former == arn and again is None:
            return [], lb
        await _require(tx, lb.key.account, arn, existing)
        if former == arn and again is not None:
            former = again.former_arn
        await tx.load_balancers.set_listener_certificate(lb.id, port, arn)
        value = workflows.CertificateInput(lb.key, port, arn, former)
        written = await mutation.order(tx, lb, workflows.SET_CERTIFICATE, "set-certificate", value, room, push=False)
    return written, None


async def _cut_off(
    lb: store.LoadBalancer, port: int, arn: str, room: Dependencies
) -> workflows.CertificateInput | None:
    """The last change of the listener's certificate, if it was cut off and was the one to ``arn``."""
    async for cut_off, value in room.workflows.closed(workflows.SET_CERTIFICATE, lb.key, lb.created_at):
        if value.port == port:
            return value if cut_off and value.certificate_arn == arn else None
    return None


async def _carry_out(written: list[store.OutboxRow], call: Call, port: int, room: Dependencies) -> None:
    """Wait for the workflow; a listener that was deleted meanwhile makes the call one for a listener that is not."""
    outcome = await mutation.conclude(workflows.SET_CERTIFICATE, written, call, room)
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        async with room.db.reading() as tx:
            _listener(await active(tx, call.key), port)
    mutation.require_success(outcome)


def _listener(lb: store.LoadBalancer, port: int) -> document.Listener:
    """The listener on ``port`` that has a certificate; raises for one that is not there or has none."""
    listener = lb.listener_on(port)
    if listener is None:
        raise faults.listener_not_found(lb.key.name, port)
    if not listeners.is_encrypted(listener):
        raise faults.invalid_configuration(f"Only HTTPS and SSL listeners have certificates, not {listener.protocol}")
    return listener
