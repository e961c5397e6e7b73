"""What a user's or role's access key may do: his policies and, for a temporary key, what narrows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from elbflow import service, store
from elbflow.service import policies

log = structlog.get_logger()

Context: TypeAlias = Mapping[str, Sequence[str]]
"""Values of condition keys by lower-case name."""

_ROLE = ":role/"


@dataclass(frozen=True, slots=True)
class Grants:
    """``shown`` is the caller's ARN as refusals name him, ``context`` what conditions may ask of him."""

    shown: str
    context: Context
    identity: tuple[policies.Policy, ...]
    session: tuple[policies.Policy, ...] | None = None
    session_name: str | None = None
    """Of a role's temporary key."""

    def decide(self, request: policies.Request) -> policies.Decision:
        """A temporary key with a policy of its own may do what both allow."""
        decisions = [policies.decide(one, request) for one in self._sets()]
        for worse in (policies.Decision.DENIED, policies.Decision.NOT_ALLOWED):
            if worse in decisions:
                return worse
        return policies.Decision.ALLOWED

    def may_ever(self, action: str) -> bool:
        """Whether the action may be allowed on any resource."""
        return all(policies.may_ever(one, action) for one in self._sets())

    def reads(self, prefixes: Iterable[str]) -> bool:
        """Whether a condition looks at a key that begins with one of these."""
        return any(policies.reads(one, prefix) for one in self._sets() for prefix in prefixes)

    def limit(self, action: str, key: str) -> int | None:
        """The lowest bound that a Limit statement sets; None when there is none."""
        bounds = [policies.limit(one, action, key) for one in self._sets()]
        return min((bound for bound in bounds if bound is not None), default=None)

    def _sets(self) -> Iterable[tuple[policies.Policy, ...]]:
        return (self.identity,) if self.session is None else (self.identity, self.session)


async def of(caller: service.Identity, db: store.Store) -> Grants | None:
    """What the caller may do; None for an account's own key and for administrators, who may do everything.

    A policy that cannot be read might hold a denial, so whoever has one may do nothing.
    """
    if caller.admin or not caller.principal:
        return None
    async with db.reading() as tx:
        kept = await tx.access_keys.grants(caller.access_key_id)
    try:
        identity = tuple(policies.parse(document) for document in kept.documents)
        session = None if kept.session_policy is None else (policies.parse(kept.session_policy),)
    except policies.MalformedPolicy as error:
        log.error("policy_unreadable", principal=caller.principal, reason=str(error))
        identity, session = (), None
    shown, name = _shown(caller.principal, kept.session_name), kept.session_name
    return Grants(shown, _context(caller), identity, session, name if is_role(caller.principal) else None)


def is_role(principal: str) -> bool:
    """Whether this is a role's ARN; paths of users may look like one."""
    return principal.split(":", 5)[-1].startswith("role/")


def _shown(principal: str, session_name: str | None) -> str:
    if session_name is None or not is_role(principal):
        return principal
    account, _, path = principal.partition(_ROLE)
    name = path.rpartition("/")[2]
    return f"{account.replace(':iam:', ':sts:')}:assumed-role/{name}/{session_name}"


def _context(caller: service.Identity) -> Context:
    kind, _, path = caller.principal.split(":", 5)[5].partition("/")
    context = {"aws:principalarn": (caller.principal,), "aws:principalaccount": (caller.account,)}
    return {**context, "aws:username": (path.rpartition("/")[2],)} if kind == "user" else context
