"""Accounts, users, roles, their policies and keys, as operators administer them in the store.

Names become parts of ARNs, and what is not a policy is refused before it is stored (spec/elb-control-plane 1.3).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence

from elbflow import errors, store
from elbflow.service import policies

LONGEST_SESSION_S = 12 * 3600
SHORTEST_SESSION_S = 60

_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_PATH = re.compile(r"/|/[!-~]{1,510}/")
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class BadIdentity(errors.Permanent):
    """What was given cannot be, or there is no such account, user, role or key."""


def arn(account: str, kind: store.PrincipalKind, name: str, path: str = "/") -> str:
    """The ARN of a user or role. Raises :class:`BadIdentity` for names that cannot be."""
    if not _ACCOUNT.fullmatch(account):
        raise BadIdentity(f"{account!r} is no account: those are 12 digits")
    if not _NAME.fullmatch(name):
        raise BadIdentity(f"{name!r} is no name: use up to 64 letters, digits and _+=,.@-")
    if not _PATH.fullmatch(path):
        raise BadIdentity(f"{path!r} is no path: it begins and ends with a slash")
    return f"arn:aws:iam::{account}:{kind.value}{path}{name}"


async def add(db: store.Store, account: str, kind: store.PrincipalKind, name: str, path: str) -> store.Principal:
    """Add a user or role that may do nothing yet. Names are unique whatever their path, and whatever their case."""
    principal = store.Principal(arn(account, kind, name, path), account, kind, name, time.time())
    async with db.transaction() as tx:
        others = await tx.principals.of_account(account)
        if any(one.kind is kind and one.name.lower() == name.lower() for one in others):
            raise BadIdentity(
                f"account {account} has a {kind.value} {name} already; see: elbflow iam {kind.value}s list"
            )
        await tx.principals.add(principal)
    return principal


async def find(tx: store.Repositories, account: str, kind: store.PrincipalKind, name: str) -> store.Principal:
    """Raises :class:`BadIdentity` when there is no such user or role."""
    for principal in await tx.principals.of_account(account):
        if principal.kind is kind and principal.name.lower() == name.lower():
            return principal
    raise BadIdentity(f"account {account} has no {kind.value} {name}; to add it: elbflow iam {kind.value}s add {name}")


async def remove(db: store.Store, account: str, kind: store.PrincipalKind, name: str) -> None:
    """Remove a user or role with its policies and keys: they stop working at once."""
    async with db.transaction() as tx:
        await tx.principals.remove((await find(tx, account, kind, name)).arn)


async def listed(db: store.Store, account: str) -> Sequence[store.Principal]:
    async with db.reading() as tx:
        return await tx.principals.of_account(account)


async def put_policy(
    db: store.Store, account: str, kind: store.PrincipalKind, name: str, policy: str, document: str
) -> None:
    """Let a user or role do what the document says, from now on. Raises ``policies.MalformedPolicy``."""
    if not _NAME.fullmatch(policy):
        raise BadIdentity(f"{policy!r} is no name of a policy")
    policies.parse(document)
    async with db.transaction() as tx:
        await tx.principals.put_policy((await find(tx, account, kind, name)).arn, policy, document)


async def remove_policy(db: store.Store, account: str, kind: store.PrincipalKind, name: str, policy: str) -> None:
    async with db.transaction() as tx:
        if not await tx.principals.remove_policy((await find(tx, account, kind, name)).arn, policy):
            raise BadIdentity(f"{kind.value} {name} has no policy {policy}; see: elbflow iam {kind.value}s list")


async def add_key(db: store.Store, account: str, user: str | None) -> store.AccessKey:
    """A new key of a user, or of the account itself, which may do everything in it."""
    async with db.transaction() as tx:
        principal = None if user is None else (await find(tx, account, store.PrincipalKind.USER, user)).arn
        if principal is None and not _ACCOUNT.fullmatch(account):
            raise BadIdentity(f"{account!r} is no account: those are 12 digits")
        key = store.AccessKey(_key_id("AKIA"), secrets.token_urlsafe(30), account, principal=principal)
        await tx.access_keys.save(key)
    return key


async def keys(db: store.Store, account: str, user: str | None) -> Sequence[store.AccessKey]:
    """The keys of a user, or those of the account itself."""
    async with db.reading() as tx:
        principal = None if user is None else (await find(tx, account, store.PrincipalKind.USER, user)).arn
        return await tx.access_keys.of_principal(account, principal)


async def remove_key(db: store.Store, access_key_id: str) -> None:
    async with db.transaction() as tx:
        if not await tx.access_keys.remove(access_key_id):
            raise BadIdentity(f"there is no access key {access_key_id}; see: elbflow iam keys list --help")


async def open_session(
    db: store.Store, account: str, role: str, session: str, *, duration_s: int, policy: str | None
) -> store.AccessKey:
    """A temporary key of a role; ``policy`` narrows what it may do. Keys that have ended are cleared away."""
    if not _NAME.fullmatch(session):
        raise BadIdentity(f"{session!r} is no name of a session")
    if not SHORTEST_SESSION_S <= duration_s <= LONGEST_SESSION_S:
        raise BadIdentity(f"a session lasts {SHORTEST_SESSION_S} to {LONGEST_SESSION_S} seconds")
    if policy is not None:
        policies.parse(policy)
        if len(policy) > policies.LONGEST_OF_SESSION:
            raise BadIdentity(f"a session's policy has at most {policies.LONGEST_OF_SESSION} characters")
    now = time.time()
    async with db.transaction() as tx:
        principal = await find(tx, account, store.PrincipalKind.ROLE, role)
        await tx.access_keys.remove_expired(now)
        key = store.AccessKey(
            _key_id("ASIA"),
            secrets.token_urlsafe(30),
            account,
            principal=principal.arn,
            session_name=session,
            session_token=secrets.token_urlsafe(96),
            session_policy=policy,
            expires_at=now + duration_s,
        )
        await tx.access_keys.save(key)
    return key


async def set_account(db: store.Store, account: str, alias: str | None, quotas: Sequence[tuple[str, int]]) -> None:
    """Name an account and set quotas of its own; those not given stay as they are."""
    if not _ACCOUNT.fullmatch(account):
        raise BadIdentity(f"{account!r} is no account: those are 12 digits")
    async with db.transaction() as tx:
        former = await tx.accounts.find(account) or store.Account(account, created_at=time.time())
        merged = tuple(sorted({**dict(former.quotas), **dict(quotas)}.items()))
        await tx.accounts.save(store.Account(account, alias or former.alias, merged, former.created_at))


async def accounts(db: store.Store) -> Sequence[store.Account]:
    async with db.reading() as tx:
        return await tx.accounts.all()


def _key_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))
