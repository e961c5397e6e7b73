"""Workflow and activity types: the same rules for both (spec/swf-semantics 6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from elbflow_engine.core import api, choices, faults, members, paging, times
from elbflow_engine.core.model import TypeKey, type_structure
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import DEPRECATED, REGISTERED, Domain, RegisteredType, World


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the two kinds: the member that names a type, its table and its label in messages."""

    member: str
    table: str
    label: str

    def of(self, domain: Domain) -> dict[TypeKey, RegisteredType]:
        return domain.workflow_types if self.table == "workflow_type" else domain.activity_types


WORKFLOW = Kind("workflowType", "workflow_type", "WorkflowType")
ACTIVITY = Kind("activityType", "activity_type", "ActivityType")


class Operations:
    """The operations on one kind of type."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def register(self, work: Work, account: str, params: api.Object) -> None:
        """Register*Type; the configuration never changes afterwards."""
        domain = _registered_domain(work.world, account, params)
        key = members.text(params, "name"), members.text(params, "version")
        known = self._kind.of(domain)
        if key in known:
            raise faults.Fault("TypeAlreadyExistsFault", faults.type_text(self._kind.label, *key))
        if len(known) >= work.world.limits.types:
            raise faults.Fault("LimitExceededFault", "The maximum number of types is reached")
        configuration: dict[str, api.Json] = {
            name: value for name, value in params.items() if name.startswith("default") and value not in (None, "")
        }
        description = members.maybe_text(params, "description")
        known[key] = RegisteredType(key, configuration, work.now_ms, description)
        _save(work, domain, self._kind, known[key])

    def deprecate(self, work: Work, account: str, params: api.Object) -> None:
        """Deprecate*Type; running executions and scheduled tasks are not affected."""
        domain, registered = self._find(work.world, account, params)
        if registered.status == DEPRECATED:
            raise faults.Fault("TypeDeprecatedFault", faults.type_text(self._kind.label, *registered.key))
        mark_deprecated(work, domain, self._kind, registered)

    def undeprecate(self, work: Work, account: str, params: api.Object) -> None:
        """Undeprecate*Type; our choice: not in a deprecated domain (6.2: 13, 14)."""
        _registered_domain(work.world, account, params)
        domain, registered = self._find(work.world, account, params)
        if registered.status == REGISTERED:
            raise faults.Fault("TypeAlreadyExistsFault", faults.type_text(self._kind.label, *registered.key))
        registered.status = REGISTERED
        registered.deprecated_ms = None
        _save(work, domain, self._kind, registered)

    def delete(self, work: Work, account: str, params: api.Object) -> None:
        """Delete*Type; only a deprecated one. Our choice: its name and version may be registered anew (6.2: 15, 16)."""
        domain, registered = self._find(work.world, account, params)
        if registered.status == REGISTERED:
            message = "The type is currently registered and cannot be deleted in its current state"
            raise faults.Fault("TypeNotDeprecatedFault", message)
        del self._kind.of(domain)[registered.key]
        work.delete(self._kind.table, _key(domain, registered))

    def describe(self, world: World, account: str, params: api.Object, _now_ms: int) -> api.Answer:
        """Describe*Type. Our choice: a default priority is told only if one was given (6.2: 17, 18)."""
        _, registered = self._find(world, account, params)
        return {"typeInfo": self._info(registered), "configuration": registered.configuration}

    def list_all(self, world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
        """List*Types, by name then version."""
        domain = world.domain(account, members.text(params, "domain"))
        operation = f"List{self._kind.label}s"
        listing = paging.Listing(world, account, operation, params, now_ms)
        status, name = members.text(params, "registrationStatus"), members.maybe_text(params, "name")
        found = (
            (key, registered)
            for key, registered in self._kind.of(domain).items()
            if registered.status == status and name in (None, key[0])
        )
        return listing.page("typeInfos", listing.by_name(found), lambda item: self._info(item[1]), paging.name_key)

    def _find(self, world: World, account: str, params: api.Object) -> tuple[Domain, RegisteredType]:
        domain = world.domain(account, members.text(params, "domain"))
        key = members.type_key(params, self._kind.member)
        registered = self._kind.of(domain).get(key)
        if registered is None:
            raise faults.unknown_type(self._kind.label, *key)
        return domain, registered

    def _info(self, registered: RegisteredType) -> dict[str, api.Json]:
        info: dict[str, api.Json] = {
            self._kind.member: type_structure(registered.key),
            "status": registered.status,
            "creationDate": times.to_seconds(registered.created_ms),
        }
        if registered.description is not None:
            info["description"] = registered.description
        if registered.deprecated_ms is not None:
            info["deprecationDate"] = times.to_seconds(registered.deprecated_ms)
        return info


def mark_deprecated(work: Work, domain: Domain, kind: Kind, registered: RegisteredType) -> None:
    registered.status = DEPRECATED
    registered.deprecated_ms = work.now_ms
    _save(work, domain, kind, registered)


def from_row(row: dict[str, Any]) -> RegisteredType:
    """The inverse of what is stored, without account and domain."""
    name, version = row["key"]
    return RegisteredType(**row | {"key": (name, version)})


def _registered_domain(world: World, account: str, params: api.Object) -> Domain:
    """The domain, if it may get anything new."""
    domain = world.domain(account, members.text(params, "domain"))
    if domain.status == DEPRECATED:
        raise choices.fault_in_deprecated_domain(domain.name)
    return domain


def _key(domain: Domain, registered: RegisteredType) -> str:
    return "/".join((domain.account, domain.name, *registered.key))


def _save(work: Work, domain: Domain, kind: Kind, registered: RegisteredType) -> None:
    row = {"account": domain.account, "domain": domain.name, "type": registered}
    work.put(kind.table, _key(domain, registered), row)
