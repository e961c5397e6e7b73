"""Listeners as users may define them (spec/elb-control-plane 1.8 checks 5-10, spec/vm-agent-data-plane 3.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from elbflow.contract import document
from elbflow_api import faults, query
from elbflow_api.rules import security_policies

MOST_LISTENERS = 100

_PORTS = range(1, 65536)
APPLICATION_LAYER = frozenset({document.Protocol.HTTP, document.Protocol.HTTPS})
ENCRYPTED = frozenset({document.Protocol.HTTPS, document.Protocol.SSL})


def read(requested: Iterable[query.Params], restricted_ports: Collection[int]) -> tuple[document.Listener, ...]:
    """The requested listeners by port. The same listener given twice counts once; a port given twice is an error."""
    by_port: dict[int, document.Listener] = {}
    for one in requested:
        listener = _read_one(one, restricted_ports)
        if by_port.setdefault(listener.port, listener) != listener:
            raise query.validation_error(f"LoadBalancerPort {listener.port} is given to more than one listener")
    if not by_port:
        raise query.validation_error("At least one listener must be specified")
    if len(by_port) > MOST_LISTENERS:
        raise too_many()
    check_instance_ports(by_port.values())
    return tuple(by_port[port] for port in sorted(by_port))


def same(one: document.Listener, other: document.Listener) -> bool:
    """Whether two listeners do the same; policies are attached later and do not count."""
    return (one.protocol, one.port, one.instance_protocol, one.instance_port, one.certificate_arn) == (
        other.protocol,
        other.port,
        other.instance_protocol,
        other.instance_port,
        other.certificate_arn,
    )


def is_application_layer(listener: document.Listener) -> bool:
    """Whether cookies mean anything to the listener."""
    return listener.protocol in APPLICATION_LAYER


def is_encrypted(listener: document.Listener) -> bool:
    """Whether clients see a certificate of the listener."""
    return listener.protocol in ENCRYPTED


def check_instance_ports(all_listeners: Iterable[document.Listener]) -> None:
    """Raise unless back ends are spoken to on each of their ports either always encrypted or never."""
    encrypted: dict[int, bool] = {}
    for listener in all_listeners:
        is_secure = listener.instance_protocol in ENCRYPTED
        if encrypted.setdefault(listener.instance_port, is_secure) is not is_secure:
            raise faults.invalid_configuration(
                f"InstancePort {listener.instance_port} cannot be used with encryption by one listener and without it "
                "by another one"
            )


def with_default_policy(
    new: Sequence[document.Listener],
    existing: Iterable[document.Policy],
    known: security_policies.Catalogue,
) -> tuple[tuple[document.Listener, ...], tuple[document.Policy, ...]]:
    """New listeners with the default security policy on those that are encrypted, and the policies to add for it.

    Without a policy they stay when the load balancer has one of that name and another type (spec 3.4).
    """
    default = known.default_policy()
    present = {policy.name: policy.type_name for policy in existing}
    wanted = any(is_encrypted(listener) for listener in new)
    if not wanted or present.get(default.name, default.type_name) != default.type_name:
        return tuple(new), ()
    attached = tuple(
        replace(listener, policy_names=(default.name,)) if is_encrypted(listener) else listener for listener in new
    )
    return attached, () if default.name in present else (default,)


def too_many(most: int = MOST_LISTENERS) -> query.Fault:
    return faults.invalid_configuration(f"A Load Balancer cannot have more than {most} listeners")


def _read_one(one: query.Params, restricted_ports: Collection[int]) -> document.Listener:
    front = _protocol(one.text("Protocol"))
    back = _protocol(one.optional_text("InstanceProtocol") or front.value)
    if (front in APPLICATION_LAYER) != (back in APPLICATION_LAYER):
        raise query.validation_error(
            f"Listener protocol {front} and instance protocol {back} are not of the same layer: "
            "HTTP and HTTPS go together, and so do TCP and SSL"
        )
    port = _port("LoadBalancerPort", one.integer("LoadBalancerPort"))
    if port in restricted_ports:
        raise query.validation_error(f"LoadBalancerPort {port} is restricted")
    instance_port = _port("InstancePort", one.integer("InstancePort"))
    return document.Listener(front, port, back, instance_port, _certificate(front, one))


def _protocol(given: str) -> document.Protocol:
    try:
        return document.Protocol[given.upper()]  # by name, so without the alias that documents may have
    except KeyError:
        raise faults.unsupported_protocol(given) from None


def _port(name: str, port: int) -> int:
    if port not in _PORTS:
        raise query.validation_error(f"{name} must be between {_PORTS.start} and {_PORTS.stop - 1}")
    return port


def _certificate(front: document.Protocol, one: query.Params) -> str | None:
    """The certificate's ARN; like AWS, other listeners take none even when one is given."""
    if front not in ENCRYPTED:
        return None
    arn = one.optional_text("SSLCertificateId")
    if not arn:
        raise query.validation_error("Secure Listeners need to specify a SSLCertificateId")
    return arn
