"""Pure: which address a VM gets."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection

from elbflow import errors

_FIRST_OFFSET = 2  # the network's own address and the usual gateway stay free


class AddressesExhausted(errors.Retryable):
    """All addresses of the VM network are in use."""


def choose(network: ipaddress.IPv4Network, instance_id: str, used: Collection[str]) -> str:
    """A free address of ``network``, always the same one for an instance id as long as it is free.

    Derived from the id rather than counted up, so that the address of a deleted VM is not given to the next one
    while clients may still remember it.
    """
    usable = network.num_addresses - _FIRST_OFFSET - 1
    start = int.from_bytes(hashlib.sha256(instance_id.encode()).digest()[:8], "big") % max(usable, 1)
    for step in range(usable):
        address = str(network.network_address + _FIRST_OFFSET + (start + step) % usable)
        if address not in used:
            return address
    raise AddressesExhausted
