"""Rows of the golden suite: a request as every client can make it, and what must come back.

Strings may hold ``{account}``, the number of the caller's account; every group of rows runs in an account of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Moment:
    """Equals any time of this century, as boto3 or as the AWS CLI shows it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        moment = datetime.fromisoformat(other) if isinstance(other, str) else other
        return isinstance(moment, datetime) and moment.year >= 2001 and moment.tzinfo is not None

    def __repr__(self) -> str:
        return "<any time>"


class Words:
    """Equals any text that is not empty."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other)

    def __repr__(self) -> str:
        return "<any words>"


@dataclass(frozen=True, slots=True)
class Call:
    """An operation with its parameters, spelled as in the model."""

    operation: str
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The wire's code and status, and words that the message must have."""

    code: str
    status: int = 400
    says: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a later read must show: the part of its answer that a JMESPath expression names."""

    call: Call
    expression: str
    value: Any


@dataclass(frozen=True, slots=True)
class Row:
    """``call``, made after the calls of ``after`` have succeeded, is answered with ``expected``.

    ``cli`` sends a row through the AWS CLI too. The first row of each operation that succeeds goes there anyway.
    """

    call: Call
    expected: Mapping[str, Any] | Refused
    after: tuple[Call, ...] = ()
    sees: tuple[Seen, ...] = ()
    cli: bool = False

    @property
    def harmless(self) -> bool:
        """Whether it changes nothing, so that rows after it may use the same load balancers."""
        return isinstance(self.expected, Refused) or self.call.operation.startswith("Describe")

    @property
    def title(self) -> str:
        outcome = self.expected.code if isinstance(self.expected, Refused) else "OK"
        return f"{self.call.operation} {outcome} {dict(self.call.given)}"


def filled(value: Any, account: str) -> Any:
    """``value`` with the account's number wherever a string asks for it."""
    if isinstance(value, str):
        return value.replace("{account}", account)
    if isinstance(value, Mapping):
        return {name: filled(part, account) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [filled(part, account) for part in value]
    return value


HTTP_80 = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 8000}
TCP_25 = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2500}
WEB = {"LoadBalancerName": "web"}
NONE = {"LoadBalancerName": "none"}
BY_DNS_NAME = {"LoadBalancerName": "web-{account}.lb.elbflow.internal"}

NOT_FOUND = Refused("LoadBalancerNotFound", says="There is no ACTIVE Load Balancer named 'none'")
INVALID = Refused("ValidationError")


def conflict(says: str = "") -> Refused:
    """A change that makes no sense for the load balancer as it stands."""
    return Refused("InvalidConfigurationRequest", 409, says)


def web(**changes: Any) -> Call:
    """The creation of a load balancer called ``web`` with a listener and a zone."""
    return Call("CreateLoadBalancer", WEB | {"Listeners": [HTTP_80], "AvailabilityZones": ["local-1a"]} | changes)


def on_web(operation: str, **given: Any) -> Call:
    return Call(operation, WEB | given)


def shows_web(expression: str, value: Any) -> Seen:
    """What DescribeLoadBalancers shows of the load balancer called ``web``."""
    call = Call("DescribeLoadBalancers", {"LoadBalancerNames": ["web"]})
    return Seen(call, f"LoadBalancerDescriptions[0].{expression}", value)


def ids(*instance_ids: str) -> list[dict[str, str]]:
    return [{"InstanceId": one} for one in instance_ids]
