"""Policy types, their attributes, and how policies are written down and shown (spec/elb-control-plane 3.1).

An SSL negotiation policy is kept as what it enables, in the service's order of preference: of its more than ninety
attributes the others are false, in answers and for the VMs.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from elbflow.contract import cipher_suites, document

APP_COOKIE = "AppCookieStickinessPolicyType"
LB_COOKIE = "LBCookieStickinessPolicyType"
SSL_NEGOTIATION = "SSLNegotiationPolicyType"
BACKEND_AUTHENTICATION = "BackendServerAuthenticationPolicyType"
PROXY_PROTOCOL = "ProxyProtocolPolicyType"
PUBLIC_KEY = "PublicKeyPolicyType"

COOKIE_TYPES = frozenset({APP_COOKIE, LB_COOKIE})
LISTENER_TYPES = COOKIE_TYPES | {SSL_NEGOTIATION}
"""Types that SetLoadBalancerPoliciesOfListener takes."""

BACKEND_TYPES = frozenset({BACKEND_AUTHENTICATION, PROXY_PROTOCOL})
"""Types that SetLoadBalancerPoliciesForBackendServer takes."""

COOKIE_NAME = "CookieName"
COOKIE_PERIOD = "CookieExpirationPeriod"
PUBLIC_KEY_VALUE = "PublicKey"
PUBLIC_KEY_POLICY = "PublicKeyPolicyName"
REFERENCE = "Reference-Security-Policy"
SERVER_ORDER = "Server-Defined-Cipher-Order"

PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2")
_PROTOCOL_PREFIX = "Protocol-"


class Cardinality(enum.StrEnum):
    """How often a policy carries an attribute."""

    ONE = "ONE"
    ZERO_OR_ONE = "ZERO_OR_ONE"
    ONE_OR_MORE = "ONE_OR_MORE"

    @property
    def is_required(self) -> bool:
        return self is not Cardinality.ZERO_OR_ONE

    @property
    def may_repeat(self) -> bool:
        return self is Cardinality.ONE_OR_MORE


class Kind(enum.StrEnum):
    """What an attribute's value is, in the API's words."""

    STRING = "String"
    BOOLEAN = "Boolean"
    LONG = "Long"
    POLICY_NAME = "PolicyName"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a policy type."""

    name: str
    kind: Kind
    cardinality: Cardinality


@dataclass(frozen=True, slots=True)
class PolicyType:
    """A policy type with its attributes by name, in the order in which they are shown."""

    name: str
    description: str
    attributes: Mapping[str, Attribute]


def protocol_attribute(protocol: str) -> str:
    """Name of the attribute that enables ``protocol``."""
    return _PROTOCOL_PREFIX + protocol


PROTOCOL_SWITCHES = tuple(protocol_attribute(one) for one in PROTOCOLS)

SWITCHES = (*PROTOCOL_SWITCHES, SERVER_ORDER, *cipher_suites.ALL)
"""The Boolean attributes of an SSL negotiation policy, in the order in which they are shown."""


def _type(name: str, description: str, *attributes: tuple[str, Kind, Cardinality]) -> PolicyType:
    return PolicyType(name, description, {one[0]: Attribute(*one) for one in attributes})


_ALL = (
    _type(
        APP_COOKIE,
        "Keeps a client on one instance while a cookie of the application lives. For HTTP and HTTPS listeners.",
        (COOKIE_NAME, Kind.STRING, Cardinality.ONE),
    ),
    _type(
        LB_COOKIE,
        "Keeps a client on one instance by a cookie of the load balancer, for a period or for as long as the browser "
        "runs. For HTTP and HTTPS listeners.",
        (COOKIE_PERIOD, Kind.LONG, Cardinality.ZERO_OR_ONE),
    ),
    _type(
        SSL_NEGOTIATION,
        "Protocols and ciphers that clients may use. For HTTPS and SSL listeners.",
        (REFERENCE, Kind.STRING, Cardinality.ZERO_OR_ONE),
        *((name, Kind.BOOLEAN, Cardinality.ZERO_OR_ONE) for name in SWITCHES),
    ),
    _type(
        BACKEND_AUTHENTICATION,
        "Accepts only back ends with a key of one of its public key policies. For back ends that speak HTTPS or SSL.",
        (PUBLIC_KEY_POLICY, Kind.POLICY_NAME, Cardinality.ONE_OR_MORE),
    ),
    _type(
        PROXY_PROTOCOL,
        "Tells back ends the client's address and port before everything else. Takes effect with TCP and SSL.",
        ("ProxyProtocol", Kind.BOOLEAN, Cardinality.ONE),
    ),
    _type(
        PUBLIC_KEY,
        "A public key that back ends may have. Takes effect through a policy that authenticates back ends.",
        (PUBLIC_KEY_VALUE, Kind.STRING, Cardinality.ONE),
    ),
)

TYPES: Mapping[str, PolicyType] = {one.name: one for one in _ALL}
"""The six types by name."""


def negotiation(enabled: Iterable[str], reference: str | None = None) -> tuple[tuple[str, str], ...]:
    """Attributes of an SSL negotiation policy with just these switches on; ``reference`` says whose they are."""
    wanted = frozenset(enabled)
    named = ((REFERENCE, reference),) if reference else ()
    return (*named, *((name, "true") for name in SWITCHES if name in wanted))


def shown(policy: document.Policy) -> tuple[tuple[str, str], ...]:
    """The policy's attributes as users see them, those included that they did not give.

    Terraform reads the period of a cookie policy without looking whether there is one: AWS shows none as 0.
    """
    if policy.type_name == LB_COOKIE:
        return policy.attributes or ((COOKIE_PERIOD, "0"),)
    if policy.type_name != SSL_NEGOTIATION:
        return policy.attributes
    values = dict(policy.attributes)
    reference = values.get(REFERENCE)
    switches = tuple((name, values.get(name, "false")) for name in SWITCHES)
    return ((REFERENCE, reference), *switches) if reference else switches
