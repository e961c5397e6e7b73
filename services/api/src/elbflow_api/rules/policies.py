"""Policies as users may define them (spec/elb-control-plane 3.3). Refusals are ``InvalidConfigurationRequest``."""

from __future__ import annotations

import base64
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from cryptography import exceptions, utils, x509
from cryptography.hazmat.primitives import serialization

from elbflow.contract import cipher_suites, document
from elbflow_api import faults, query
from elbflow_api.rules import policy_types, security_policies

LONGEST_PERIOD_S = 2_147_483
"""Nearly 25 days: what the VMs' agent can write into HAProxy's configuration."""

_OWN_COOKIE = "AWSELB"
_COOKIE_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,255}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_PEM_LINE = re.compile(r"-----(BEGIN|END) (PUBLIC KEY|CERTIFICATE)-----")
_LONGEST_KEY = 8192
_SHOWN = 80

Attributes = tuple[tuple[str, str], ...]


def read(
    name: str,
    params: query.Params,
    existing: Collection[document.Policy],
    known: security_policies.Catalogue,
) -> document.Policy:
    """The policy that CreateLoadBalancerPolicy describes; ``existing`` are those of the load balancer.

    Raises ``PolicyTypeNotFound``, and ``InvalidConfigurationRequest`` for attributes that the type cannot have.
    """
    type_name = params.text("PolicyTypeName")
    policy_type = policy_types.TYPES.get(type_name)
    if policy_type is None:
        raise faults.policy_type_not_found(type_name)
    given = tuple(
        (one.optional_text("AttributeName") or "", one.optional_text("AttributeValue") or "")
        for one in params.structures("PolicyAttributes")
    )
    _check(policy_type, given)
    match type_name:
        case policy_types.SSL_NEGOTIATION:
            given = _negotiation(given, known)
        case policy_types.BACKEND_AUTHENTICATION:
            given = tuple(dict.fromkeys(given))
            _check_references((value for _, value in given), existing)
        case policy_types.PUBLIC_KEY:
            _check_public_key(given[0][1])
        case policy_types.APP_COOKIE:
            check_cookie_name(given[0][1])
        case policy_types.LB_COOKIE:
            given = _period(given)
    return document.Policy(name, type_name, given)


def check_cookie_name(name: str) -> None:
    """Raise unless the name is one that HAProxy can follow, or when it is that of the cookie that would follow it."""
    if _COOKIE_NAME.fullmatch(name) is None:
        raise faults.invalid_configuration(
            "CookieName must consist of 1 to 255 letters, digits and the characters _ . + -"
        )
    if name == _OWN_COOKIE:
        raise faults.invalid_configuration(f"CookieName cannot be {_OWN_COOKIE}, which is the load balancer's cookie")


def _check(policy_type: policy_types.PolicyType, given: Attributes) -> None:
    """Raise unless the attributes are those of the type, as often as it wants them, with values of their kinds."""
    times = Counter(name for name, _ in given)
    for name, value in given:
        attribute = policy_type.attributes.get(name)
        if attribute is None:
            raise faults.invalid_configuration(f"Policy type {policy_type.name} has no attribute {name[:_SHOWN]!r}")
        if not attribute.cardinality.may_repeat and times[name] > 1:
            raise faults.invalid_configuration(f"Attribute {name} can be given only once")
        _check_value(attribute, value)
    for attribute in policy_type.attributes.values():
        if attribute.cardinality.is_required and attribute.name not in times:
            raise faults.invalid_configuration(f"Policy type {policy_type.name} requires attribute {attribute.name}")


def _check_value(attribute: policy_types.Attribute, value: str) -> None:
    match attribute.kind:
        case policy_types.Kind.BOOLEAN if value.lower() not in ("true", "false"):
            problem = "true or false"
        case policy_types.Kind.LONG if _NUMBER.fullmatch(value) is None:
            problem = "a number"
        case _ if not value.strip():
            problem = "given"
        case _:
            return
    raise faults.invalid_configuration(f"The value of attribute {attribute.name} must be {problem}")


def _negotiation(given: Attributes, known: security_policies.Catalogue) -> Attributes:
    """What is enabled. A reference replaces everything else; without attributes the default's are taken."""
    reference = dict(given).get(policy_types.REFERENCE)
    if reference is not None:
        expanded = known.attributes_of(reference)
        if expanded is None:
            raise faults.invalid_configuration(f"There is no predefined security policy {reference[:_SHOWN]!r}")
        return expanded
    if not given:
        return known.default.attributes
    enabled = [name for name, value in given if value.lower() == "true"]
    for switches, what in ((policy_types.PROTOCOL_SWITCHES, "protocol"), (cipher_suites.ALL, "cipher")):
        if not any(name in switches for name in enabled):
            raise faults.invalid_configuration(f"An SSL negotiation policy must enable at least one {what}")
    return policy_types.negotiation(enabled)


def _period(given: Attributes) -> Attributes:
    """The lifetime of a cookie; 0 means that of the browser, as without the attribute."""
    period_s = int(given[0][1]) if given else 0
    if period_s > LONGEST_PERIOD_S:
        raise faults.invalid_configuration(f"CookieExpirationPeriod cannot exceed {LONGEST_PERIOD_S} seconds")
    return ((policy_types.COOKIE_PERIOD, str(period_s)),) if period_s else ()


def _check_references(names: Iterable[str], existing: Collection[document.Policy]) -> None:
    keys = {policy.name for policy in existing if policy.type_name == policy_types.PUBLIC_KEY}
    if missing := [name for name in names if name not in keys]:
        raise faults.invalid_configuration(f"There are no public key policies {', '.join(missing)[:_SHOWN]}")


def _check_public_key(text: str) -> None:
    """Raise unless ``text`` is a public key or, as the original wants it, a certificate; PEM may lack its frame."""
    if len(text) > _LONGEST_KEY:
        raise faults.invalid_configuration(f"A PublicKey cannot be longer than {_LONGEST_KEY} characters")
    try:
        der = base64.b64decode("".join(_PEM_LINE.sub("", text).split()), validate=True)
    except ValueError:  # also for what is not ASCII
        raise _no_key() from None
    if not any(_is_readable(read, der) for read in (serialization.load_der_public_key, _key_of_certificate)):
        raise _no_key()


def _is_readable(read: Callable[[bytes], object], der: bytes) -> bool:
    try:
        read(der)
    except (ValueError, x509.InvalidVersion, exceptions.UnsupportedAlgorithm):
        return False
    return True


def _key_of_certificate(der: bytes) -> object:
    with warnings.catch_warnings():  # of certificates that later versions of the library will refuse
        warnings.simplefilter("ignore", utils.CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der).public_key()


def _no_key() -> query.Fault:
    return faults.invalid_configuration("PublicKey is not a public key or an X.509 certificate")
