"""The port: :class:`elbflow.contract.cloud.View`, and with it the instances and server certificates of users.

It only reads, so it may be asked again. It must not be asked inside a transaction of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from elbflow import errors
from elbflow.contract import cloud

ANYWHERE = "*"
"""The VPC of an instance that every load balancer can reach."""


class CloudUnavailable(errors.Retryable):
    """The cloud does not answer. Repeat the request."""

    # Users are shown the message: it says which call failed, and holds nothing of the cloud's own words.


@dataclass(frozen=True, slots=True)
class Instance:
    """A user's instance. ``vpc_id`` is None for one in no VPC, ``zone`` for a bare address.

    ``public_address`` is what load balancers outside of the VPC reach, ``address`` what those inside reach.
    """

    instance_id: str
    zone: str | None
    state: str
    vpc_id: str | None
    address: str | None
    public_address: str | None = None

    def address_for(self, vpc_id: str | None) -> str | None:
        """Where a load balancer in the VPC finds it, or one in none; None when that cannot be."""
        if self.vpc_id == ANYWHERE or (vpc_id is not None and vpc_id == self.vpc_id):
            return self.address
        return self.public_address if vpc_id is None else None


class Cloud(cloud.View, Protocol):
    """All of the cloud that the front door asks. Raises :class:`CloudUnavailable`."""

    async def instances(self, account: str, instance_ids: Iterable[str]) -> Mapping[str, Instance]:
        """Those of the account's instances that there are, by id."""

    async def certificates(self, account: str, arns: Iterable[str]) -> frozenset[str] | None:
        """Those of the account's server certificates that there are.

        None where the store keeps them: they are looked for in the transaction that uses them.
        """
