"""Domains and their resource tags (spec/swf-semantics 6.1)."""

from __future__ import annotations

import dataclasses

from elbflow_engine.core import api, faults, members, paging, registered_types
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import DEPRECATED, REGISTERED, Domain, World


def register(work: Work, account: str, params: api.Object) -> None:
    """RegisterDomain."""
    world, name = work.world, members.text(params, "name")
    retention = members.text(params, "workflowExecutionRetentionPeriodInDays")
    tags = _tags(params)
    if (account, name) in world.domains:
        raise faults.Fault("DomainAlreadyExistsFault", name)
    if sum(owner == account for owner, _ in world.domains) >= world.limits.domains:
        raise faults.Fault("LimitExceededFault", "The maximum number of domains is reached")
    _check_tag_count(world, tags)
    domain = Domain(account, name, retention, members.maybe_text(params, "description"), tags=tags)
    world.domains[account, name] = domain
    _save(work, domain)


def deprecate(work: Work, account: str, params: api.Object) -> None:
    """DeprecateDomain: its types are deprecated with it; running executions go on."""
    domain = work.world.domain(account, members.text(params, "name"))
    if domain.status == DEPRECATED:
        raise faults.Fault("DomainDeprecatedFault", domain.name)
    domain.status = DEPRECATED
    _save(work, domain)
    for kind in (registered_types.WORKFLOW, registered_types.ACTIVITY):
        for registered in kind.of(domain).values():
            if registered.status == REGISTERED:
                registered_types.mark_deprecated(work, domain, kind, registered)


def undeprecate(work: Work, account: str, params: api.Object) -> None:
    """UndeprecateDomain. Our choice: types stay deprecated until each is undeprecated (6.1: 5)."""
    domain = work.world.domain(account, members.text(params, "name"))
    if domain.status == REGISTERED:
        raise faults.Fault("DomainAlreadyExistsFault", domain.name)
    domain.status = REGISTERED
    _save(work, domain)


def describe(world: World, account: str, params: api.Object, _now_ms: int) -> api.Answer:
    """DescribeDomain."""
    domain = world.domain(account, members.text(params, "name"))
    return {
        "domainInfo": _info(world, domain),
        "configuration": {"workflowExecutionRetentionPeriodInDays": domain.retention},
    }


def list_all(world: World, account: str, params: api.Object, now_ms: int) -> api.Answer:
    """ListDomains."""
    listing = paging.Listing(world, account, "ListDomains", params, now_ms)
    status = members.text(params, "registrationStatus")
    found = (
        ((name,), domain)
        for (owner, name), domain in world.domains.items()
        if owner == account and domain.status == status
    )
    return listing.page("domainInfos", listing.by_name(found), lambda item: _info(world, item[1]), paging.name_key)


def tag(work: Work, account: str, params: api.Object) -> None:
    """TagResource."""
    domain = _by_arn(work.world, account, members.text(params, "resourceArn"))
    tags = domain.tags | _tags(params)
    _check_tag_count(work.world, tags)
    domain.tags = tags
    _save(work, domain)


def untag(work: Work, account: str, params: api.Object) -> None:
    """UntagResource; absent keys are ignored."""
    domain = _by_arn(work.world, account, members.text(params, "resourceArn"))
    removed = set(members.texts(params, "tagKeys") or ())
    domain.tags = {key: value for key, value in domain.tags.items() if key not in removed}
    _save(work, domain)


def list_tags(world: World, account: str, params: api.Object, _now_ms: int) -> api.Answer:
    """ListTagsForResource. Our choice: ordered by key (6.1: 8)."""
    domain = _by_arn(world, account, members.text(params, "resourceArn"))
    return {"tags": [{"key": key, "value": value} for key, value in sorted(domain.tags.items())]}


def _arn_prefix(world: World, owner: str) -> str:
    """What the ARNs of an owner's domains begin with. An owner is an account of the engine's own region, or
    ``account@region`` for another one (1.5).
    """
    account, _, region = owner.partition("@")
    return f"arn:aws:swf:{region or world.region}:{account}:/domain/"


def _by_arn(world: World, account: str, arn: str) -> Domain:
    if not arn.startswith("arn:aws:swf:") or "/domain/" not in arn:
        raise faults.validation(f"Invalid resource ARN: {arn}")
    domain = world.domains.get((account, arn.removeprefix(_arn_prefix(world, account))))
    if domain is None:
        raise faults.Fault("UnknownResourceFault", f"Unknown resource: {arn}")
    return domain


def _tags(params: api.Object) -> dict[str, str]:
    """Tags by key. Our choice: duplicate keys and the reserved prefix are refused (1.6)."""
    tags: dict[str, str] = {}
    for item in members.objects(params, "tags"):
        key = members.text(item, "key")
        if key in tags:
            raise faults.validation(f"Duplicate tag key: {key}")
        if key.startswith("aws:"):
            raise faults.validation("Tag keys beginning with aws: are reserved")
        tags[key] = members.maybe_text(item, "value") or ""
    return tags


def _check_tag_count(world: World, tags: dict[str, str]) -> None:
    if len(tags) > world.limits.resource_tags:
        raise faults.Fault("TooManyTagsFault", f"A domain can have {world.limits.resource_tags} tags")


def _info(world: World, domain: Domain) -> dict[str, api.Json]:
    info: dict[str, api.Json] = {
        "name": domain.name,
        "status": domain.status,
        "arn": _arn_prefix(world, domain.account) + domain.name,
    }
    if domain.description is not None:
        info["description"] = domain.description
    return info


def _save(work: Work, domain: Domain) -> None:
    work.put("domain", f"{domain.account}/{domain.name}", to_row(domain))


def to_row(domain: Domain) -> dict[str, object]:
    """The stored form: a domain without its types and executions."""
    stored = ("account", "name", "retention", "description", "status", "tags")
    return {field.name: getattr(domain, field.name) for field in dataclasses.fields(domain) if field.name in stored}
