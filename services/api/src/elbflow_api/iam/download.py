"""What VMs ask: their delegation certificate, and the certificates of their listeners (spec/vm-agent-data-plane 7).

A VM proves two things: that its role may have the certificate, by the request's own signature and the role's policies,
and that it has the key of the delegation certificate that was made for it. The private key travels encrypted to that
key alone.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from functools import partial

import structlog

from elbflow import store
from elbflow.service import policies
from elbflow_api import faults as common
from elbflow_api import query
from elbflow_api.iam import authority as authorities
from elbflow_api.iam import delegation, faults, keys, operations, wrapping
from elbflow_api.iam.desk import SERVICE, Action, Desk

log = structlog.get_logger()

VERSION_2 = "2"
DEFAULT_DAYS = 180
_DOWNLOAD = f"{SERVICE}:{operations.DOWNLOAD}"


async def download_server_certificate(desk: Desk) -> query.Response:
    """A server certificate with its private key, for the VM that asks; all checks of spec 7.5 in their order."""
    _require_action(desk)
    if desk.caller.account != desk.room.settings.system_account:
        raise faults.not_authorized(f"Not authorized to perform {operations.DOWNLOAD}")
    authority = await desk.authorities.get(desk.room.db, desk.room.clock)
    asking = _proven(desk, authority)
    arn = desk.params.text("CertificateArn").strip()
    if not _may_download(desk, arn):
        raise faults.not_authorized(f"Not authorized to download {arn}")
    async with desk.room.db.reading() as tx:
        certificate = await tx.server_certificates.by_arn(arn)
    if certificate is None:
        raise faults.no_such_download(arn)
    try:
        answer = _answer(desk, authority, asking, certificate)
    except Exception as error:
        log.exception("certificate_not_prepared", certificate_id=certificate.certificate_id)
        raise faults.not_answered() from error
    log.info("server_certificate_downloaded", certificate_id=certificate.certificate_id, vm=asking.principal)
    return answer


async def sign_certificate(desk: Desk) -> query.Response:
    """A delegation certificate for a VM's public key, at the request of the cloud that launches it (spec 7.2).

    ``Key`` is base64 of DER SubjectPublicKeyInfo, ``Principal`` the instance id. Only for the system account itself.
    """
    params = desk.params
    if desk.held is not None or desk.caller.account != desk.room.settings.system_account:
        raise faults.not_authorized(f"Not authorized to perform {operations.SIGN}")
    authority = await desk.authorities.get(desk.room.db, desk.room.clock)
    principal, days = params.text("Principal"), params.optional_integer("Days") or DEFAULT_DAYS
    original = "Original" in params and params.flag("Original")
    try:
        key = delegation.decoded(params.text("Key")) or b""
        issued = authority.certify(key, principal, days, desk.room.clock.now(), original=original)
    except authorities.UnusableKey as error:
        raise faults.invalid_input(f"The key cannot be certified: {error}") from None
    log.info("delegation_certificate_signed", principal=principal, days=days)
    return {"Certificate": issued, "IamCertificate": authority.pem}


def _require_action(desk: Desk) -> None:
    """Check 0: whether the caller may do this to anything."""
    if desk.held is not None and not desk.held.may_ever(_DOWNLOAD):
        raise common.access_denied(f"User: {desk.held.shown} is not authorized to perform: {_DOWNLOAD}")


def _proven(desk: Desk, authority: authorities.Authority) -> delegation.Vm:
    """Checks 2 to 6, and those of version 2 when the request is one."""
    params, now = desk.params, desk.room.clock.now()
    asking = delegation.vm(params.text("DelegationCertificate"), authority, now)
    signature, timestamp = params.optional_text("Signature"), params.optional_text("Timestamp")
    if not signature or not timestamp:
        raise faults.not_authorized("Signature and Timestamp are required")
    signed = f"{params.text('CertificateArn').strip()}&{delegation.check_time(timestamp, now)}"
    delegation.check_signature(asking, signature, signed)
    delegation.check_legacy(asking, params.text("AuthSignature"), authority)
    delegation.check_caller(asking, desk.held.session_name if desk.held is not None else None)
    if params.optional_text("ExchangeVersion") == VERSION_2:
        nonce = params.optional_text("Nonce") or ""
        delegation.check_signature(asking, params.optional_text("BoundSignature") or "", f"{signed}&{nonce}")
        desk.nonces.check(asking.principal, nonce, now)
    return asking


def _may_download(desk: Desk, arn: str) -> bool:
    """Check 7, whoever owns the certificate."""
    if desk.held is None:
        return True
    return desk.held.decide(policies.Request(_DOWNLOAD, arn, desk.held.context)) is policies.Decision.ALLOWED


def _answer(
    desk: Desk, authority: authorities.Authority, asking: delegation.Vm, certificate: store.ServerCertificate
) -> query.Response:
    """Spec 7.6. In version 2 the signature also says what was asked, so that no answer fits another question."""
    arn, nonce = desk.params.text("CertificateArn"), desk.params.optional_text("Nonce")
    body = "\n".join(text.strip() for text in (certificate.body, certificate.chain) if text)
    server_certificate = base64.b64encode(body.encode()).decode()
    private_key = keys.open_sealed(desk.vault, certificate)
    version = desk.params.optional_text("ExchangeVersion")
    wrap, bound = wrapping.wrapped, ""
    if version == VERSION_2:
        bound = f"&{certificate.arn}&{nonce}&{VERSION_2}"
        wrap = partial(wrapping.wrapped_v2, bound_to=bound.encode())
    server_pk = wrap(private_key, asking.key, random=os.urandom)
    return {
        "CertificateArn": arn,
        "ServerCertificate": server_certificate,
        "ServerPk": server_pk,
        "Signature": authority.sign(f"{server_certificate}&{server_pk}{bound}"),
        "ExchangeVersion": version if version == VERSION_2 else None,
    }


ACTIONS: Mapping[str, Action] = {
    operations.DOWNLOAD: download_server_certificate,
    operations.SIGN: sign_certificate,
}
