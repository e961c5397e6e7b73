"""DescribeLoadBalancers and DescribeTags (spec/elb-control-plane 1.8)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime

from elbflow import store
from elbflow.contract import document, names
from elbflow_api import faults, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import health_check, policy_types

_LARGEST_PAGE = 400


async def describe_load_balancers(call: Call, room: Dependencies) -> query.Response:
    """The account's load balancers by name, or the named ones; ``LoadBalancerNotFound`` when one of those is missing.

    ``PageSize`` (400) bounds one answer; ``NextMarker`` is there when more follow.
    """
    params = call.params
    wanted = params.texts("LoadBalancerNames")
    page_size = params.optional_integer("PageSize") or _LARGEST_PAGE
    after = _name_in(params.optional_text("Marker"))
    async with room.db.reading() as tx:
        found = await tx.load_balancers.page(
            call.caller.account,
            names=wanted or None,
            state=store.LoadBalancerState.ACTIVE,
            after=after,
            limit=max(page_size, len(wanted)) + 1,
        )
    if not after:
        _require_all(wanted, found)
    page = found[:page_size]
    return {
        "LoadBalancerDescriptions": [_description(lb, room) for lb in page],
        "NextMarker": _marker(page[-1].key.name) if len(found) > page_size else None,
    }


async def describe_tags(call: Call, room: Dependencies) -> query.Response:
    """The tags of the named load balancers."""
    wanted = call.params.texts("LoadBalancerNames")
    async with room.db.reading() as tx:
        found = await tx.load_balancers.page(
            call.caller.account, names=wanted, state=store.LoadBalancerState.ACTIVE, limit=len(wanted)
        )
    _require_all(wanted, found)
    return {
        "TagDescriptions": [
            {"LoadBalancerName": lb.key.name, "Tags": [{"Key": key, "Value": value} for key, value in lb.tags]}
            for lb in found
        ]
    }


def _require_all(wanted: Iterable[str], found: Iterable[store.LoadBalancer]) -> None:
    known = {lb.key.name.lower() for lb in found}
    for name in wanted:
        if name.lower() not in known:
            raise faults.load_balancer_not_found(name)


def _marker(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_in(marker: str | None) -> str:
    """The name that the page before ended with; empty for the first page."""
    if not marker:
        return ""
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise query.validation_error("Invalid Marker") from None


def _listener(listener: document.Listener) -> dict[str, query.Value]:
    shown: dict[str, query.Value] = {
        "Protocol": listener.protocol.value,
        "LoadBalancerPort": listener.port,
        "InstanceProtocol": listener.instance_protocol.value,
        "InstancePort": listener.instance_port,
    }
    if listener.certificate_arn:
        shown["SSLCertificateId"] = listener.certificate_arn
    return {"Listener": shown, "PolicyNames": list(listener.policy_names)}


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


def _description(lb: store.LoadBalancer, room: Dependencies) -> dict[str, query.Value]:
    return {
        "LoadBalancerName": lb.key.name,
        "DNSName": lb.dns_name,
        "CanonicalHostedZoneName": lb.dns_name,
        "ListenerDescriptions": [_listener(listener) for listener in lb.listeners],
        "Policies": _policies(lb.policies),
        "BackendServerDescriptions": [],
        "AvailabilityZones": list(lb.enabled_zones),
        "Subnets": [],
        "Instances": [{"InstanceId": backend.instance_id} for backend in lb.backends],
        **({"HealthCheck": health_check.shown(lb.health_check)} if lb.health_check else {}),
        "SourceSecurityGroup": {
            "OwnerAlias": room.settings.system_account,
            "GroupName": names.security_group_name(lb.key),
        },
        "SecurityGroups": [],
        "CreatedTime": datetime.fromtimestamp(lb.created_at, UTC),
        "Scheme": lb.scheme,
    }
