"""Instance ids: those of the local cloud's directory, or an IPv4 address that is its own instance.

Operators choose the directory's ids, so more than EC2's hexadecimal digits are allowed behind ``i-``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from elbflow import store
from elbflow_api import faults, query

MOST_ID_CHARACTERS = 25_000
"""Ids of all registered instances together: more would not fit into one health report of a VM. AWS's have 19 each."""

_DIRECTORY_ID = re.compile(r"i-[A-Za-z0-9]{1,40}")


def read_ids(given: Iterable[query.Params]) -> tuple[str, ...]:
    """The ids in canonical form, each once, in the order given; raises ``InvalidInstance`` for a malformed one."""
    ids = [canonical_id(one.optional_text("InstanceId") or "") for one in given]
    return tuple(dict.fromkeys(ids))


def canonical_id(given: str) -> str:
    if _DIRECTORY_ID.fullmatch(given):
        return given
    address = ip_address(given)
    if address is None:
        raise faults.invalid_instance(f'Invalid id: "{given}"')
    return address


def ip_address(instance_id: str) -> str | None:
    """The address an id stands for by itself, in canonical form; None for other ids and for anything unusable."""
    try:
        address = ipaddress.IPv4Address(instance_id)
    except ValueError:
        return None
    return None if address.is_multicast or address.is_unspecified or address.is_reserved else str(address)


def require_reportable(instance_ids: Iterable[str]) -> None:
    """Raise ``InvalidConfigurationRequest`` for more than a VM can report the health of."""
    if sum(map(len, instance_ids)) > MOST_ID_CHARACTERS:
        raise faults.invalid_configuration(
            f"The ids of all registered instances together cannot be longer than {MOST_ID_CHARACTERS} characters"
        )


def require_registered(lb: store.LoadBalancer, instance_ids: Iterable[str]) -> None:
    """Raise ``InvalidInstance`` for the first id that is not registered."""
    registered = {backend.instance_id for backend in lb.backends}
    for instance_id in instance_ids:
        if instance_id not in registered:
            raise faults.instance_not_found(instance_id)
