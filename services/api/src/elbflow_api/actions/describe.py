"""DescribeLoadBalancers and DescribeTags (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from elbflow import store
from elbflow.contract import document, names
from elbflow_api import faults, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import health_check, listener_problems, naming, paging, policy_types, vpc


async def describe_load_balancers(call: Call, room: Dependencies) -> query.Response:
    """The account's load balancers by name, or the named ones; ``LoadBalancerNotFound`` when one of those is missing.

    ``PageSize`` (400) bounds one answer; ``NextMarker`` is there when more follow.
    """
    wanted = call.params.texts("LoadBalancerNames")
    page_size, place = paging.size(call.params), _place(paging.after(call.params))
    found = await _listing(call, room, place, max(page_size, len(wanted)) + 1)
    if not place[0]:
        _require_all(wanted, (one.lb for one in found), room)
    page = found[:page_size]
    return {
        "LoadBalancerDescriptions": [_description(one, room) for one in page],
        "NextMarker": _marker(page[-1].lb.key) if len(found) > page_size else None,
    }


async def describe_tags(call: Call, room: Dependencies) -> query.Response:
    """The tags of the named load balancers."""
    wanted = call.params.texts("LoadBalancerNames")
    async with room.db.reading() as tx:
        found = await tx.load_balancers.page(
            None if call.every_account else call.caller.account,
            names=wanted or None,
            state=store.LoadBalancerState.ACTIVE,
        )
    _require_all(wanted, found, room)
    hidden = await _hidden(call, [lb.key.name for lb in found])
    return {
        "TagDescriptions": [
            {"LoadBalancerName": lb.key.name, "Tags": [{"Key": key, "Value": value} for key, value in lb.tags]}
            for lb in found
            if lb.key.name not in hidden
        ]
    }


async def _listing(call: Call, room: Dependencies, place: tuple[str, str], most: int) -> list[store.Listed]:
    """``most`` load balancers or more behind the place, all when there are fewer.

    What the caller may not see is left out before pages are made: their ends and markers would tell of it.
    """
    limit = most if call.may_see is None else max(most, paging.LARGEST_PAGE)
    found: list[store.Listed] = []
    while True:
        async with room.db.reading() as tx:
            batch = await tx.load_balancers.listing(
                None if call.every_account else call.caller.account,
                names=call.params.texts("LoadBalancerNames") or None,
                state=store.LoadBalancerState.ACTIVE,
                after=place[0],
                after_account=place[1],
                limit=limit,
            )
        hidden = await _hidden(call, [one.lb.key.name for one in batch])
        found += [one for one in batch if one.lb.key.name not in hidden]
        if len(found) >= most or len(batch) < limit:
            return found
        place = batch[-1].lb.key.name, batch[-1].lb.key.account


async def _hidden(call: Call, names: Sequence[str]) -> frozenset[str]:
    """Those of the load balancers that the caller may not see."""
    return frozenset() if call.may_see is None else frozenset(names) - await call.may_see(names)


def _require_all(wanted: Iterable[str], found: Iterable[store.LoadBalancer], room: Dependencies) -> None:
    if room.settings.compatibility_unknown_names_skipped:
        return
    known = {lb.key.name.lower() for lb in found}
    for name in wanted:
        if name.lower() not in known:
            raise faults.load_balancer_not_found(name)


def _marker(key: document.LoadBalancerKey) -> str:
    return paging.marker(f"{key.name}/{key.account}")


def _place(after: str) -> tuple[str, str]:
    """Name and account of the load balancer that the page before ended with; empty for the first page."""
    name, _, account = after.partition("/")
    return name, account


def _listener(listener: document.Listener, problems: Sequence[document.ListenerProblem]) -> dict[str, query.Value]:
    """With an element of our own if there are problems, ``Problems``."""
    shown: dict[str, query.Value] = {
        "Protocol": listener.protocol.value,
        "LoadBalancerPort": listener.port,
        "InstanceProtocol": listener.instance_protocol.value,
        "InstancePort": listener.instance_port,
    }
    if listener.certificate_arn:
        shown["SSLCertificateId"] = listener.certificate_arn
    described: dict[str, query.Value] = {"Listener": shown, "PolicyNames": list(listener.policy_names)}
    if said := listener_problems.of_listener(listener.port, problems):
        described["Problems"] = said
    return described


def _policies(all_policies: Iterable[document.Policy]) -> dict[str, query.Value]:
    app, lb, other = [], [], []
    for policy in all_policies:
        values = dict(policy.attributes)
        shown: dict[str, query.Value] = {"PolicyName": policy.name}
        if policy.type_name == policy_types.APP_COOKIE:
            app.append({**shown, "CookieName": values.get("CookieName", "")})
        elif policy.type_name == policy_types.LB_COOKIE:
            if period := values.get("CookieExpirationPeriod"):
                shown["CookieExpirationPeriod"] = int(period)
            lb.append(shown)
        else:
            other.append(policy.name)
    return {"AppCookieStickinessPolicies": app, "LBCookieStickinessPolicies": lb, "OtherPolicies": other}


def _source_group(lb: store.LoadBalancer, room: Dependencies) -> dict[str, query.Value]:
    """Whom back ends must let in: the user's own group in a VPC, else the service's."""
    if lb.vpc_id is not None:
        name = lb.security_groups[0].name if lb.security_groups else ""
        return {"OwnerAlias": lb.key.account, "GroupName": name}
    return {"OwnerAlias": room.settings.system_account, "GroupName": names.security_group_name(lb.key)}


def _description(listed: store.Listed, room: Dependencies) -> dict[str, query.Value]:
    """All of it. As at AWS an internal load balancer has no CanonicalHostedZoneName."""
    lb = listed.lb
    shown: dict[str, query.Value | None] = {
        "LoadBalancerName": lb.key.name,
        "DNSName": lb.dns_name,
        "CanonicalHostedZoneName": None if lb.scheme == vpc.INTERNAL else lb.dns_name,
        "CanonicalHostedZoneNameID": naming.hosted_zone_id(room.settings.dns_suffix),
        "ListenerDescriptions": [_listener(listener, listed.problems) for listener in lb.listeners],
        "Policies": _policies(lb.policies),
        "BackendServerDescriptions": [
            {"InstancePort": one.instance_port, "PolicyNames": list(one.policy_names)} for one in lb.backend_policies
        ],
        "AvailabilityZones": list(lb.enabled_zones),
        "Subnets": list(lb.subnets),
        "VPCId": lb.vpc_id,
        "Instances": [{"InstanceId": instance_id} for instance_id in listed.instance_ids],
        "HealthCheck": health_check.shown(lb.health_check) if lb.health_check else None,
        "SourceSecurityGroup": _source_group(lb, room),
        "SecurityGroups": [group.group_id for group in lb.security_groups],
        "CreatedTime": datetime.fromtimestamp(lb.created_at, UTC),
        "Problems": listener_problems.of_listener(document.WHOLE, listed.problems) or None,
        "Scheme": lb.scheme,
    }
    return {name: value for name, value in shown.items() if value is not None}
