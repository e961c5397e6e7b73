"""GetCallerIdentity, AssumeRole and GetSessionToken."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import structlog

from elbflow import service, store
from elbflow.service import policies
from elbflow_api import faults, grants, query
from elbflow_api.dependencies import Dependencies

log = structlog.get_logger()

_ASSUME = "sts:AssumeRole"
_ROLE_S = 3600
_SESSION_S = 12 * 3600
_OWNER_S = 3600
_CHAINED_S = 3600
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class Desk:
    """One request of one caller; ``held`` says what he may do, None that he may do everything."""

    params: query.Params
    caller: service.Identity
    held: grants.Grants | None
    room: Dependencies


Action: TypeAlias = Callable[[Desk], Awaitable[query.Response]]


async def get_caller_identity(desk: Desk) -> query.Response:
    """Who calls; everybody may ask."""
    account = desk.caller.account
    if desk.held is None:
        return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}
    principal = desk.caller.principal
    kind = "AROA" if grants.is_role(principal) else "AIDA"
    session = desk.held.shown.rpartition("/")[2] if desk.held.shown != principal else ""
    user_id = _principal_id(kind, principal) + (f":{session}" if session else "")
    return {"UserId": user_id, "Account": account, "Arn": desk.held.shown}


async def assume_role(desk: Desk) -> query.Response:
    """A temporary key of a role of the caller's account, if his policies let him assume it.

    Roles have no trust policies: they trust their account, which says by its policies who of it may assume them.
    """
    params = desk.params
    arn, session = params.text("RoleArn"), params.text("RoleSessionName")
    policy, duration_s = _policy(params), params.optional_integer("DurationSeconds") or _ROLE_S
    if grants.is_role(desk.caller.principal) and duration_s > _CHAINED_S:
        raise query.validation_error(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    async with desk.room.db.transaction() as tx:
        role = await tx.principals.find(arn)
        ours = role is not None and role.kind is store.PrincipalKind.ROLE and role.account == desk.caller.account
        if role is None or not ours or not _may_assume(desk, arn):
            raise faults.access_denied(
                f"User: {_shown(desk)} is not authorized to perform: {_ASSUME} on resource: {arn}"
            )
        key = await _new_key(tx, desk, role.arn, session, policy, duration_s)
    assumed = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"
    log.info("role_assumed", role=arn, session_name=session)
    return {
        "Credentials": _credentials(key),
        "AssumedRoleUser": {"AssumedRoleId": f"{_principal_id('AROA', arn)}:{session}", "Arn": assumed},
    }


async def get_session_token(desk: Desk) -> query.Response:
    """A temporary key of the caller's own user, or of his account. A role's temporary key gets no further one."""
    if grants.is_role(desk.caller.principal):
        raise faults.access_denied("Cannot call GetSessionToken with session credentials")
    async with desk.room.db.transaction() as tx:
        own = await tx.access_keys.find(desk.caller.access_key_id)
        if own is None or own.session_token is not None:
            raise faults.access_denied("Cannot call GetSessionToken with session credentials")
        duration_s = desk.params.optional_integer("DurationSeconds") or _SESSION_S
        if own.principal is None:  # nothing narrows what such a key may do
            duration_s = min(duration_s, _OWNER_S)
        key = await _new_key(tx, desk, own.principal, None, None, duration_s, admin=own.admin)
    return {"Credentials": _credentials(key)}


def _may_assume(desk: Desk, arn: str) -> bool:
    if desk.held is None:
        return True
    request = policies.Request(_ASSUME, arn, desk.held.context)
    return desk.held.decide(request) is policies.Decision.ALLOWED


def _shown(desk: Desk) -> str:
    return desk.held.shown if desk.held is not None else f"arn:aws:iam::{desk.caller.account}:root"


def _policy(params: query.Params) -> str | None:
    if params.structures("PolicyArns"):  # left out, the key could do more than was asked for
        raise query.validation_error("PolicyArns are not supported by this service; use Policy")
    document = params.optional_text("Policy")
    if document is not None:
        if len(document) > policies.LONGEST_OF_SESSION:
            raise query.modelled(
                "PackedPolicyTooLargeException",
                f"The session policy has more than {policies.LONGEST_OF_SESSION} characters",
                query.STS,
            )
        try:
            policies.parse(document)
        except policies.MalformedPolicy as error:
            raise query.modelled("MalformedPolicyDocumentException", str(error), query.STS) from None
    return document


async def _new_key(
    tx: store.Repositories,
    desk: Desk,
    principal: str | None,
    session: str | None,
    policy: str | None,
    duration_s: int,
    *,
    admin: bool = False,
) -> store.AccessKey:
    """A temporary key; those that have ended are cleared away. Raises the fault of an account that has too many."""
    now = float(int(desk.room.clock.now()))
    await tx.access_keys.remove_expired(now)
    most = desk.room.settings.max_temporary_keys
    if await tx.access_keys.count_for_temporary(desk.caller.account, now) >= most:
        raise faults.too_many_temporary_keys(most)
    key = store.AccessKey(
        "ASIA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16)),
        secrets.token_urlsafe(30),
        desk.caller.account,
        admin=admin,
        principal=principal,
        session_name=session,
        session_token=secrets.token_urlsafe(96),
        session_policy=policy,
        expires_at=now + duration_s,
    )
    await tx.access_keys.save(key)
    return key


def _credentials(key: store.AccessKey) -> dict[str, query.Value]:
    assert key.session_token is not None
    assert key.expires_at is not None
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token,
        "Expiration": datetime.fromtimestamp(key.expires_at, UTC),
    }


def _principal_id(prefix: str, arn: str) -> str:
    """An id that looks like AWS's and stays the same."""
    return prefix + base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]


ACTIONS: Mapping[str, Action] = {
    "AssumeRole": assume_role,
    "GetCallerIdentity": get_caller_identity,
    "GetSessionToken": get_session_token,
}
"""The operations that are served. The model's others are answered with ``UnsupportedOperation``."""
