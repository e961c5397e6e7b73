"""Listeners as users may define them (spec/elb-control-plane 1.8 checks 5-10, spec/vm-agent-data-plane 3.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from elbflow.contract import document
from elbflow_api import faults, query

MOST_LISTENERS = 100

_PORTS = range(1, 65536)
_APPLICATION_LAYER = frozenset({document.Protocol.HTTP, document.Protocol.HTTPS})
_ENCRYPTED = frozenset({document.Protocol.HTTPS, document.Protocol.SSL})


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
    return listener.protocol in _APPLICATION_LAYER


def too_many() -> query.Fault:
    return faults.invalid_configuration(f"A Load Balancer cannot have more than {MOST_LISTENERS} listeners")


def _read_one(one: query.Params, restricted_ports: Collection[int]) -> document.Listener:
    front = _protocol(one.text("Protocol"))
    back = _protocol(one.optional_text("InstanceProtocol") or front.value)
    if (front in _APPLICATION_LAYER) != (back in _APPLICATION_LAYER):
        raise query.validation_error(
            f"Listener protocol {front} and instance protocol {back} are not of the same layer: "
            "HTTP and HTTPS go together, and so do TCP and SSL"
        )
    port = _port("LoadBalancerPort", one.integer("LoadBalancerPort"))
    if port in restricted_ports:
        raise query.validation_error(f"LoadBalancerPort {port} is restricted")
    instance_port = _port("InstancePort", one.integer("InstancePort"))
    if front in _ENCRYPTED:
        _refuse_certificate(front, one.optional_text("SSLCertificateId"))
    return document.Listener(front, port, back, instance_port)


def _protocol(given: str) -> document.Protocol:
    try:
        return document.Protocol(given.upper())
    except ValueError:
        raise faults.unsupported_protocol(given) from None


def _port(name: str, port: int) -> int:
    if port not in _PORTS:
        raise query.validation_error(f"{name} must be between {_PORTS.start} and {_PORTS.stop - 1}")
    return port


def _refuse_certificate(protocol: document.Protocol, arn: str | None) -> None:
    """The cloud keeps no server certificates, so a listener that needs one names none or an unknown one."""
    if not arn:
        raise query.validation_error(f"SSLCertificateId is required for {protocol} listeners")
    raise faults.certificate_not_found(arn)
