"""From the load-balancer document to the model: which listeners can be served, and what is wrong with the others.

One listener's problem never reaches another (REQ-1.2, REQ-3.1); an instance that cannot be represented is left out of
every back end and named in ``excluded``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.haproxy import model, safe

_HTTP = document.Protocol.HTTP
_HTTPS = document.Protocol.HTTPS
_TCP = document.Protocol.TCP
_SSL = document.Protocol.SSL
_LEGAL = {_HTTP: (_HTTP, _HTTPS), _HTTPS: (_HTTP, _HTTPS), _TCP: (_TCP, _SSL), _SSL: (_TCP, _SSL)}
_LONGEST_IDLE_S = 4000


class Unservable(errors.Permanent):
    """The listener cannot be served as it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, and what is left out with its reason."""

    model: model.Model
    problems: tuple[document.ListenerProblem, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)


def plan(wanted: document.LoadBalancerDocument, bind_address: str, in_rotation: Callable[[str], bool]) -> Plan:
    """Derive the model of ``wanted`` on ``bind_address``; ``in_rotation`` says which instances take traffic now."""
    members, excluded = _members(wanted)
    listeners: dict[int, model.Listener] = {}
    problems: list[document.ListenerProblem] = []
    for listener in wanted.listeners:
        try:
            if listener.port in listeners:
                raise Unservable(f"port {listener.port} is used by another listener of this load balancer")
            listeners[listener.port] = _listener(wanted, listener, members, in_rotation)
        except errors.Permanent as error:
            problems.append(document.ListenerProblem(listener.port, str(error)))
    idle_s = min(max(wanted.attributes.idle_timeout_s, 1), _LONGEST_IDLE_S)
    served = tuple(listeners[port] for port in sorted(listeners))
    return Plan(model.Model(bind_address, idle_s, served), tuple(problems), excluded)


def stickiness_key(key: document.LoadBalancerKey) -> str:
    """Secret part of the cookie values of one load balancer, the same on all of its VMs."""
    return hmac.new(b"elbflow lb cookie", f"{key.account}/{key.name}".encode(), hashlib.sha256).hexdigest()[:32]


def _members(wanted: document.LoadBalancerDocument) -> tuple[dict[str, str], dict[str, str]]:
    members: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for instance in wanted.backends:
        try:
            members[safe.server_name(instance.instance_id)] = safe.address(instance.address)
        except safe.Unrepresentable as error:
            excluded[instance.instance_id] = str(error)
    return members, excluded


def _listener(
    wanted: document.LoadBalancerDocument,
    listener: document.Listener,
    members: Mapping[str, str],
    in_rotation: Callable[[str], bool],
) -> model.Listener:
    if listener.instance_protocol not in _LEGAL[listener.protocol]:
        raise Unservable(f"{listener.protocol} to {listener.instance_protocol} is not a supported combination")
    if listener.protocol in (_HTTPS, _SSL):
        raise Unservable("certificates are not available yet")
    stickiness = _stickiness(wanted, listener)
    proxy_protocol = _proxy_protocol(wanted, listener)
    servers = tuple(
        model.Server(
            name, members[name], listener.instance_port, model.Admin.READY if in_rotation(name) else model.Admin.MAINT
        )
        for name in sorted(members)
    )
    return model.Listener(
        port=listener.port,
        mode=model.Mode.HTTP if listener.protocol is _HTTP else model.Mode.TCP,
        tls_to_servers=listener.instance_protocol in (_HTTPS, _SSL),
        proxy_protocol=proxy_protocol,
        stickiness=stickiness,
        servers=servers,
    )


def _stickiness(wanted: document.LoadBalancerDocument, listener: document.Listener) -> model.Stickiness | None:
    found: model.Stickiness | None = None
    for policy in _policies(wanted, listener.policy_names):
        match policy.type_name:
            case "LBCookieStickinessPolicyType":
                if listener.protocol is not _HTTP:
                    raise Unservable(f"policy {policy.name!r}: cookies need an HTTP or HTTPS listener")
                found = model.Stickiness(stickiness_key(wanted.key), _duration(policy))
            case "AppCookieStickinessPolicyType":
                safe.cookie_name(dict(policy.attributes).get("CookieName", ""))
                raise Unservable(f"policy {policy.name!r}: application cookies are not available yet")
            case _:
                raise Unservable(f"policy {policy.name!r} of type {policy.type_name!r} cannot be applied here")
    return found


def _duration(policy: document.Policy) -> int | None:
    text = dict(policy.attributes).get("CookieExpirationPeriod", "").strip()
    if text in ("", "0"):
        return None
    if not text.isascii() or not text.isdecimal():
        raise Unservable(f"policy {policy.name!r}: {text[:40]!r} is not a number of seconds")
    return safe.seconds(int(text[:12]))


def _proxy_protocol(wanted: document.LoadBalancerDocument, listener: document.Listener) -> bool:
    proxy_protocol = False
    for entry in wanted.backend_policies:
        if entry.instance_port != listener.instance_port:
            continue
        for policy in _policies(wanted, entry.policy_names):
            values = dict(policy.attributes)
            if policy.type_name == "ProxyProtocolPolicyType" and listener.protocol is _TCP:
                proxy_protocol = proxy_protocol or values.get("ProxyProtocol", "").lower() == "true"
            elif policy.type_name == "BackendServerAuthenticationPolicyType" and listener.instance_protocol in (
                _HTTPS,
                _SSL,
            ):
                # Serving without the check would silently trust any server.
                raise Unservable(f"policy {policy.name!r}: back-end authentication is not available yet")
    return proxy_protocol


def _policies(wanted: document.LoadBalancerDocument, names: tuple[str, ...]) -> list[document.Policy]:
    known = {policy.name: policy for policy in wanted.policies}
    for name in names:
        if name not in known:
            raise Unservable(f"policy {name!r} is missing from the document")
    return [known[name] for name in names]
