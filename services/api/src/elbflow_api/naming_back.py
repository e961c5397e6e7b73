"""From a DNS name back to the load balancers that may have it (spec/elb-control-plane 1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elbflow.contract import document

INTERNAL = "internal-"
_LABEL = re.compile(r"([a-z0-9-]+)-([0-9]{12})", re.IGNORECASE)


def candidates(dns_name: str, suffix: str) -> Iterator[document.LoadBalancerKey]:
    """The keys ``dns_name`` can stand for, the most likely first; ``suffix`` is what all DNS names end with.

    A name that begins like an internal one may be that of a load balancer which is itself called so.
    """
    label, dot, rest = dns_name.partition(".")
    found = _LABEL.fullmatch(label)
    if not dot or rest.lower() != suffix.lower() or found is None:
        return
    name, account = found.groups()
    if name.lower().startswith(INTERNAL):
        yield document.LoadBalancerKey(account, name[len(INTERNAL) :])
    yield document.LoadBalancerKey(account, name)
