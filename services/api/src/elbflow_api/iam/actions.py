"""Upload, get, list, update and delete server certificates."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime

import structlog

from elbflow import store
from elbflow.contract import workflows
from elbflow_api import authorisation, mutation, query
from elbflow_api.iam import faults, keys, pem
from elbflow_api.iam.desk import Action, Desk, arn
from elbflow_api.rules import paging

log = structlog.get_logger()

QUOTA = "server-certificates"
"""Name of the account's own limit."""

_USUAL_PAGE = 100
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ID_LENGTH = 17
_RESERVED_TAGS = "aws:"


async def upload_server_certificate(desk: Desk) -> query.Response:
    """Check the certificate, its chain and its private key, and keep them; the key is sealed before it is stored."""
    params, account = desk.params, desk.caller.account
    name, path = params.text("ServerCertificateName"), params.optional_text("Path") or "/"
    desk.require("UploadServerCertificate", path, name)
    tags = _tags(params)
    now = float(int(desk.room.clock.now()))
    checked = await asyncio.to_thread(
        pem.check,
        params.text("CertificateBody"),
        params.text("PrivateKey"),
        params.optional_text("CertificateChain"),
        now,
    )
    certificate_id = "ASCA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    certificate = store.ServerCertificate(
        account=account,
        name=name,
        path=path,
        certificate_id=certificate_id,
        arn=arn(account, path, name),
        body=checked.body,
        chain=checked.chain,
        encrypted_key=keys.seal(desk.vault, checked.private_key, account, certificate_id),
        uploaded_at=now,
        expires_at=checked.expires_at,
        tags=tags,
    )
    async with desk.room.db.transaction() as tx:
        if await tx.server_certificates.is_taken(account, name):
            raise faults.certificate_exists(name)
        limit = (await tx.accounts.quotas(account)).get(QUOTA, desk.room.settings.max_server_certificates)
        if await tx.server_certificates.count_for_upload(account) >= limit:
            raise faults.too_many_certificates(limit)
        await _written(tx.server_certificates.add(certificate), name)
    log.info("server_certificate_uploaded", account=account, certificate_id=certificate_id)
    return {"ServerCertificateMetadata": _metadata(certificate), "Tags": _shown_tags(certificate) or None}


async def get_server_certificate(desk: Desk) -> query.Response:
    """The certificate and its chain. Its private key is never answered."""
    async with desk.room.db.reading() as tx:
        certificate = await _named(tx, desk, "GetServerCertificate")
    shown: dict[str, query.Value] = {
        "ServerCertificateMetadata": _metadata(certificate),
        "CertificateBody": certificate.body,
    }
    if certificate.tags:
        shown["Tags"] = _shown_tags(certificate)
    if certificate.chain is not None:
        shown["CertificateChain"] = certificate.chain
    return {"ServerCertificate": shown}


async def list_server_certificates(desk: Desk) -> query.Response:
    """The account's certificates under a path by name, in pages."""
    prefix = desk.params.optional_text("PathPrefix") or "/"
    desk.require("ListServerCertificates", prefix, "")
    size = desk.params.optional_integer("MaxItems") or _USUAL_PAGE
    after = paging.after(desk.params)
    async with desk.room.db.reading() as tx:
        found = await tx.server_certificates.of_account(desk.caller.account, prefix, after=after, limit=size + 1)
    page, more = found[:size], len(found) > size
    return {
        "ServerCertificateMetadataList": [_metadata(certificate) for certificate in page],
        "IsTruncated": more,
        "Marker": paging.marker(page[-1].name) if more else None,
    }


async def update_server_certificate(desk: Desk) -> query.Response:
    """Give the certificate another name or path. Listeners that use it go on with it under its new ARN."""
    params = desk.params
    written: list[store.OutboxRow] = []
    async with desk.room.db.transaction() as tx:
        former = await _named(tx, desk, "UpdateServerCertificate")
        name, path = params.optional_text("NewServerCertificateName"), params.optional_text("NewPath")
        renamed = _renamed(former, name or former.name, path or former.path)
        desk.require("UpdateServerCertificate", renamed.path, renamed.name, tags=former.tags)
        if renamed == former:
            return {}
        own = former.certificate_id
        if await tx.server_certificates.is_taken(former.account, renamed.name, by_other_than=own):
            raise faults.certificate_exists(renamed.name)
        for lb in await _locked_users(tx, former):
            await tx.server_certificates.exchange(lb.id, former.arn, renamed.arn)
            if lb.state is not store.LoadBalancerState.DELETING:
                written += await _order(tx, lb, former, renamed, desk)
        await _written(tx.server_certificates.update(renamed), renamed.name)
    await desk.room.workflows.announce(written)
    log.info("server_certificate_renamed", account=renamed.account, certificate_id=renamed.certificate_id)
    return {}


async def delete_server_certificate(desk: Desk) -> query.Response:
    """Delete a certificate that no listener uses; ``DeleteConflict`` names a load balancer that does."""
    async with desk.room.db.transaction() as tx:
        certificate = await _named(tx, desk, "DeleteServerCertificate")
        await _lock(tx, certificate)
        users = await tx.server_certificates.users(certificate.arn)
        if users:
            user = authorisation.arn(desk.room.settings.arn_region, users[0])
            raise faults.certificate_in_use(certificate.certificate_id, user)
        await tx.server_certificates.remove(certificate.certificate_id)
    log.info("server_certificate_deleted", account=certificate.account, certificate_id=certificate.certificate_id)
    return {}


async def _named(tx: store.Repositories, desk: Desk, operation: str) -> store.ServerCertificate:
    """The certificate that the request names, if the caller may do this to it; raises the fault otherwise."""
    name = desk.params.text("ServerCertificateName")
    found = await tx.server_certificates.by_name(desk.caller.account, name)
    path, tags = (found.path, found.tags) if found is not None else ("/", ())
    desk.require(operation, path, name, tags=tags, shown=f"server certificate {name}")
    if found is None:
        raise faults.no_such_certificate(name)
    return found


async def _lock(tx: store.Repositories, certificate: store.ServerCertificate) -> None:
    """Keep others from using, changing or deleting the certificate until the transaction ends."""
    if await tx.server_certificates.lock(certificate.certificate_id) != certificate.arn:
        raise faults.concurrent_modification(certificate.name)


async def _locked_users(tx: store.Repositories, certificate: store.ServerCertificate) -> list[store.LoadBalancer]:
    """The load balancers that use the certificate, locked before it: those who change one of them do it so too."""
    keys_of_users = await tx.server_certificates.users(certificate.arn)
    found = [await tx.load_balancers.find(key, for_update=True) for key in keys_of_users]
    await _lock(tx, certificate)
    if await tx.server_certificates.users(certificate.arn) != keys_of_users:
        raise faults.concurrent_modification(certificate.name)
    return [lb for lb in found if lb is not None]


async def _order(
    tx: store.Repositories,
    lb: store.LoadBalancer,
    former: store.ServerCertificate,
    renamed: store.ServerCertificate,
    desk: Desk,
) -> list[store.OutboxRow]:
    """Order that the VMs may fetch the certificate by its new ARN, hear of it, and may not by the former one.

    There is no way back to the former ARN, so the new one stands for it too.
    """
    port = next(one.port for one in lb.listeners if one.certificate_arn == former.arn)
    value = workflows.CertificateInput(lb.key, port, renamed.arn, renamed.arn)
    return await mutation.order(tx, lb, workflows.SET_CERTIFICATE, "set-certificate", value, desk.room, push=False)


async def _written(writing: Awaitable[None], name: str) -> None:
    try:
        await writing
    except store.ServerCertificateExists as error:  # another request was faster
        raise faults.certificate_exists(name) from error


def _renamed(certificate: store.ServerCertificate, name: str, path: str) -> store.ServerCertificate:
    return dataclasses.replace(certificate, name=name, path=path, arn=arn(certificate.account, path, name))


def _tags(params: query.Params) -> tuple[tuple[str, str], ...]:
    tags = tuple((tag.text("Key"), tag.text("Value")) for tag in params.structures("Tags"))
    if len({key.lower() for key, _ in tags}) < len(tags):
        raise faults.invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith(_RESERVED_TAGS) for key, _ in tags):
        raise faults.invalid_input(f"Tag keys must not begin with {_RESERVED_TAGS}, which is reserved.")
    return tags


def _shown_tags(certificate: store.ServerCertificate) -> list[dict[str, query.Value]]:
    return [{"Key": key, "Value": value} for key, value in certificate.tags]


def _metadata(certificate: store.ServerCertificate) -> dict[str, query.Value]:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.certificate_id,
        "Arn": certificate.arn,
        "UploadDate": datetime.fromtimestamp(certificate.uploaded_at, UTC),
        "Expiration": datetime.fromtimestamp(certificate.expires_at, UTC),
    }


ACTIONS: Mapping[str, Action] = {
    "DeleteServerCertificate": delete_server_certificate,
    "GetServerCertificate": get_server_certificate,
    "ListServerCertificates": list_server_certificates,
    "UpdateServerCertificate": update_server_certificate,
    "UploadServerCertificate": upload_server_certificate,
}
"""The operations that are served. The model's others are answered with ``UnsupportedOperation``."""
