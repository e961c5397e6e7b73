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
from elbflow_agent.haproxy import authentication, cookies, logs, model, safe, steps, tls

_HTTP = document.Protocol.HTTP
_HTTPS = document.Protocol.HTTPS
_TCP = document.Protocol.TCP
_SSL = document.Protocol.SSL
_LEGAL = {_HTTP: (_HTTP, _HTTPS), _HTTPS: (_HTTP, _HTTPS), _TCP: (_TCP, _SSL), _SSL: (_TCP, _SSL)}
_LONGEST_IDLE_S = 4000
_ANY_PORT = 1
"""Of an instance that has been looked at and is behind no listener yet."""
_READY, _MAINT = model.Admin.READY, model.Admin.MAINT


class Unservable(errors.Permanent):
    """The listener cannot be served as it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, and what is left out with its reason."""

    model: model.Model
    problems: tuple[document.ListenerProblem, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manner:
    """What a VM does with every document.

    ``server_connections`` bounds the connections of each server, 0 does not. Listeners are on ``more_addresses`` too.
    ``any_pair`` serves protocols of different layers in one listener, as Eucalyptus 4 did and AWS does not: the front
    end decides on what is spoken, the back end on TLS alone.
    """

    server_connections: int = 0
    more_addresses: tuple[str, ...] = ()
    any_pair: bool = False


PLAIN = Manner()


def plan(
    wanted: document.LoadBalancerDocument,
    bind_address: str,
    in_rotation: Callable[[str], bool],
    certificates: tls.Lookup = tls.nothing,
    identities: authentication.Lookup = authentication.nobody,
    manner: Manner = PLAIN,
) -> Plan:
    """Derive the model of ``wanted`` on ``bind_address``; ``in_rotation`` says which instances take traffic now."""
    return steps.at_once(planning(wanted, bind_address, in_rotation, certificates, identities, manner))


def planning(
    wanted: document.LoadBalancerDocument,
    bind_address: str,
    in_rotation: Callable[[str], bool],
    certificates: tls.Lookup = tls.nothing,
    identities: authentication.Lookup = authentication.nobody,
    manner: Manner = PLAIN,
) -> steps.Steps[Plan]:
    """:func:`plan` in steps; ``in_rotation`` is asked before the first one ends, so all listeners agree about it."""
    members, excluded = _members(wanted)
    behind = _Behind(wanted, members, in_rotation, identities)
    listeners: dict[int, model.Listener] = {}
    problems: list[document.ListenerProblem] = []
    for listener in wanted.listeners:
        try:
            if listener.port in listeners:
                raise Unservable(f"port {listener.port} is used by another listener of this load balancer")
            if not manner.any_pair:
                _require_legal(listener)
            front = _front(wanted, listener, certificates)
            servers = behind.servers(listener)
            listeners[listener.port] = _listener(wanted, listener, front, servers, manner.server_connections)
            remarks = front.remarks if front is not None else ()
            problems += [document.ListenerProblem(listener.port, remark, is_served=True) for remark in remarks]
        except errors.Permanent as error:
            problems.append(document.ListenerProblem(listener.port, str(error)))
        yield len(members)
    idle_s = min(max(wanted.attributes.idle_timeout_s, 1), _LONGEST_IDLE_S)
    served = tuple(listeners[port] for port in sorted(listeners))
    attributes = wanted.attributes
    logging = logs.logging_for(attributes.access_log_enabled and bool(attributes.access_log_bucket))
    # Of no meaning without HTTP, and a change of it would be a reload.
    speaks_http = any(each.mode is model.Mode.HTTP for each in served)
    desync = model.Desync(attributes.desync_mitigation.value) if speaks_http else model.Desync.DEFENSIVE
    derived = model.Model(bind_address, idle_s, served, logging, desync, manner.more_addresses)
    return Plan(derived, tuple(problems), excluded)


def stickiness_key(key: document.LoadBalancerKey) -> str:
    """Secret part of the cookie values of one load balancer, the same on all of its VMs."""
    return hmac.new(b"elbflow lb cookie", f"{key.account}/{key.name}".encode(), hashlib.sha256).hexdigest()[:32]


def excluded(wanted: document.LoadBalancerDocument) -> dict[str, str]:
    """Why instances cannot be servers, by their id."""
    return _members(wanted)[1]


def introduced(wanted: document.LoadBalancerDocument) -> frozenset[int]:
    """Ports of servers that hear of the client before its first byte."""
    found = set[int]()
    for listener in wanted.listeners:
        try:
            if _proxy_protocol(wanted, listener):
                found.add(listener.instance_port)
        except Unservable:
            continue
    return frozenset(found)


def _members(wanted: document.LoadBalancerDocument) -> tuple[dict[str, str], dict[str, str]]:
    members: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for instance in wanted.backends:
        try:
            members[safe.server_name(instance.instance_id)] = safe.address(instance.address)
        except safe.Unrepresentable as error:
            excluded[instance.instance_id] = str(error)
    return members, excluded


@dataclass(frozen=True, slots=True)
class _Servers:
    """Servers behind one listener; ``anchors`` as in :class:`model.Listener`."""

    servers: tuple[model.Server, ...]
    anchors: tuple[model.Anchor, ...] | None = None


class _Behind:
    """Servers behind any listener of one document."""

    def __init__(
        self,
        wanted: document.LoadBalancerDocument,
        members: Mapping[str, str],
        in_rotation: Callable[[str], bool],
        identities: authentication.Lookup,
    ) -> None:
        self._wanted = wanted
        self._identities = identities
        self._members = [
            (model.Server(name, members[name], _ANY_PORT), _READY if in_rotation(name) else _MAINT)
            for name in sorted(members)
        ]
        self._known: dict[tuple[int, authentication.Keys | None], _Servers] = {}

    def servers(self, listener: document.Listener) -> _Servers:
        """The same for all listeners with the same servers; raises :class:`errors.Permanent`."""
        port, keys = listener.instance_port, authentication.of_listener(self._wanted, listener)
        known = self._known.get((port, keys))
        if known is None:
            known = self._known[port, keys] = self._plain(port) if keys is None else self._proven(port, keys)
        return known

    def _plain(self, port: int) -> _Servers:
        return _Servers(tuple([one.behind(port, admin) for one, admin in self._members]))

    def _proven(self, port: int, keys: authentication.Keys) -> _Servers:
        """A server whose key has not been seen takes no traffic: HAProxy would refuse it request by request."""
        seen = [self._identities(one.name, port, keys) for one, _ in self._members]
        servers = [
            one.behind(port, _MAINT if anchors is None else admin)
            for (one, admin), anchors in zip(self._members, seen, strict=True)
        ]
        trusted = {each for anchors in seen for each in anchors or ()}
        return _Servers(tuple(servers), tuple(sorted(trusted, key=_leaf)))


def _leaf(anchor: model.Anchor) -> str:
    return anchor.leaf


def _listener(
    wanted: document.LoadBalancerDocument,
    listener: document.Listener,
    front: tls.Front | None,
    behind: _Servers,
    server_connections: int,
) -> model.Listener:
    return model.Listener(
        port=listener.port,
        mode=model.Mode.HTTP if listener.protocol in (_HTTP, _HTTPS) else model.Mode.TCP,
        tls_to_servers=listener.instance_protocol in (_HTTPS, _SSL),
        proxy_protocol=_proxy_protocol(wanted, listener),
        stickiness=_stickiness(wanted, listener),
        servers=behind.servers,
        tls=front.tls if front is not None else None,
        certificate=front.certificate if front is not None else None,
        anchors=behind.anchors,
        server_connections=server_connections,
    )


def _require_legal(listener: document.Listener) -> None:
    if listener.instance_protocol not in _LEGAL[listener.protocol]:
        raise Unservable(f"{listener.protocol} to {listener.instance_protocol} is not a supported combination")


def _front(
    wanted: document.LoadBalancerDocument, listener: document.Listener, certificates: tls.Lookup
) -> tls.Front | None:
    if listener.protocol not in (_HTTPS, _SSL):
        return None
    return tls.front(listener, _policies(wanted, listener.policy_names), certificates)


def _stickiness(
    wanted: document.LoadBalancerDocument, listener: document.Listener
) -> model.Stickiness | model.AppStickiness | None:
    """At most one: the load balancer's cookie before the application's, of several of a kind the last."""
    own: model.Stickiness | None = None
    followed: model.AppStickiness | None = None
    for policy in _policies(wanted, listener.policy_names):
        match policy.type_name:
            case "LBCookieStickinessPolicyType" | "AppCookieStickinessPolicyType" if listener.protocol not in (
                _HTTP,
                _HTTPS,
            ):
                raise Unservable(f"policy {policy.name!r}: cookies need an HTTP or HTTPS listener")
            case "LBCookieStickinessPolicyType":
                own = model.Stickiness(stickiness_key(wanted.key), _duration(policy))
            case "AppCookieStickinessPolicyType":
                name = dict(policy.attributes).get("CookieName", "")
                if name == cookies.COOKIE:
                    raise Unservable(f"policy {policy.name!r}: {name} is the load balancer's own cookie")
                followed = model.AppStickiness(stickiness_key(wanted.key), name)
            case tls.NEGOTIATION if listener.protocol in (_HTTPS, _SSL):
                continue
            case _:
                raise Unservable(f"policy {policy.name!r} of type {policy.type_name!r} cannot be applied here")
    return own or followed


def _duration(policy: document.Policy) -> int | None:
    text = dict(policy.attributes).get("CookieExpirationPeriod", "").strip()
    if text in ("", "0"):
        return None
    if not text.isascii() or not text.isdecimal():
        raise Unservable(f"policy {policy.name!r}: {text[:40]!r} is not a number of seconds")
    return safe.seconds(int(text[:12]))


def _proxy_protocol(wanted: document.LoadBalancerDocument, listener: document.Listener) -> bool:
    """Whether servers hear of the client first; HTTP says it in headers."""
    proxy_protocol = False
    for entry in wanted.backend_policies:
        if entry.instance_port != listener.instance_port:
            continue
        for policy in _policies(wanted, entry.policy_names):
            if policy.type_name == "ProxyProtocolPolicyType" and listener.protocol in (_TCP, _SSL):
                proxy_protocol = proxy_protocol or _is_true(dict(policy.attributes).get("ProxyProtocol", ""))
    return proxy_protocol


def _is_true(text: str) -> bool:
    return text.strip().lower() == "true"


def _policies(wanted: document.LoadBalancerDocument, names: tuple[str, ...]) -> list[document.Policy]:
    known = {policy.name: policy for policy in wanted.policies}
    for name in names:
        if name not in known:
            raise Unservable(f"policy {name!r} is missing from the document")
    return [known[name] for name in names]
