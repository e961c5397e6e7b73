"""Who calls, whose objects he sees, and what he may do (spec/swf-semantics 1.5)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

from elbflow import service
from elbflow_engine import core
from elbflow_engine.wire import protocol, scalars

SERVICE = "swf"
ELB_ROLES = ("LoadbalancingServiceAdministrator", "loadbalancer-vm-*")
"""Roles of the load-balancing service and of its VMs (spec/elb-control-plane 7.6)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may use the engine. ``region`` is its own; ``system_only`` keeps everybody out but administrators and
    those who act in one of ``system_roles`` (patterns), as the original does by default."""

    region: str = "us-east-1"
    system_only: bool = False
    system_roles: tuple[str, ...] = ELB_ROLES


class Caller(NamedTuple):
    """An authenticated caller. ``owner`` owns what he creates and sees nothing else."""

    owner: str
    identity: service.Identity
    rules: Rules

    @property
    def denied_decisions(self) -> frozenset[str]:
        """Decision types he may not use: each fails in the history, not on the wire."""
        return _denied_decisions(self.identity.permissions)

    def refusal(self, operation: str) -> Exception | None:
        """Why he may not do ``operation``, or None when he may.

        :class:`core.Fault`, or while the engine is for the system only a validation error, as in the original.
        """
        identity = self.identity
        if self.rules.system_only and not identity.admin and not identity.acts_in(self.rules.system_roles):
            return protocol.Refused(
                "ValidationError",
                f"This service is for system accounts only: account {identity.account} is not permitted to use it",
            )
        if not identity.permissions.allow(f"{SERVICE}:{operation}"):
            return core.Fault(
                "OperationNotPermittedFault",
                f"Access key {identity.access_key_id} is not authorized to perform {SERVICE}:{operation}",
            )
        return None


class Callers:
    """Tells who sent a request."""

    def __init__(self, authenticator: service.Authenticator, rules: Rules) -> None:
        self._authenticator = authenticator
        self._rules = rules

    async def identify(self, request: service.SignedRequest) -> Caller:
        """Raises :class:`service.AuthError`; errors of the key store pass through."""
        identity = await self._authenticator.verify(request)
        return Caller(owner_of(identity, self._rules.region), identity, self._rules)


def owner_of(identity: service.Identity, home: str) -> str:
    """Objects are scoped by account and region; the engine's ``home`` region goes without saying."""
    if identity.region in ("", home):
        return identity.account
    return f"{identity.account}@{identity.region}"


@functools.lru_cache(maxsize=256)
def _denied_decisions(permissions: service.Permissions) -> frozenset[str]:
    return permissions.denied(SERVICE, scalars.DECISION_TYPES)
