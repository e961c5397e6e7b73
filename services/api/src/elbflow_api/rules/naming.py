"""Names that users choose (spec/elb-control-plane 1.2, 1.6), and the DNS name made from them (1.5)."""

from __future__ import annotations

import base64
import functools
import hashlib
import re

from elbflow.contract import document
from elbflow_api import query

_LONGEST_NAME = 32
_LONGEST_POLICY_NAME = 128
_LETTERS_DIGITS_DASH = re.compile(r"[A-Za-z0-9-]+")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def load_balancer_name(name: str) -> str:
    """``name`` if a load balancer may have it: 1-32 letters, digits and inner dashes."""
    if len(name) > _LONGEST_NAME:
        raise query.validation_error(f"LoadBalancer name cannot be longer than {_LONGEST_NAME} characters")
    if _LETTERS_DIGITS_DASH.fullmatch(name) is None:
        raise query.validation_error(
            "LoadBalancer name cannot contain characters that are not letters, or digits or the dash."
            if name
            else "LoadBalancer name cannot be empty"
        )
    if _LABEL.fullmatch(name) is None:
        raise query.validation_error("LoadBalancer name cannot begin or end with a dash")
    return name


def policy_name(name: str) -> str:
    """``name`` if a policy may have it: letters, digits and dashes."""
    if len(name) > _LONGEST_POLICY_NAME:
        raise query.validation_error(f"Policy name cannot be longer than {_LONGEST_POLICY_NAME} characters")
    if _LETTERS_DIGITS_DASH.fullmatch(name) is None:
        raise query.validation_error(
            "Policy name cannot be empty or contain characters that are not letters, or digits or the dash."
        )
    return name


def dns_name(key: document.LoadBalancerKey, suffix: str, *, internal: bool = False) -> str:
    """Where clients reach the load balancer; ``suffix`` is the subdomain and domain, e.g. ``lb.example.com``."""
    return f"{'internal-' if internal else ''}{key.name}-{key.account}.{suffix}"


@functools.lru_cache(maxsize=8)
def hosted_zone_id(suffix: str) -> str:
    """An id for the DNS zone of all load balancers, the same wherever ``suffix`` is."""
    digest = base64.b32encode(hashlib.sha256(suffix.lower().encode()).digest()).decode()
    return f"Z{digest[:13]}"
