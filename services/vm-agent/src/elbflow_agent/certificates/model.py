"""A server certificate with its key, and whoever provides it (spec/vm-agent-data-plane 7, REQ-7.4).

What a source hands out is not trusted by those who use it: whether the PEM parses and the key fits is examined there
(:mod:`elbflow_agent.haproxy.tls`). Nothing here shows a key: a bundle's ``repr`` has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Bundle:
    """PEM text of leaf, chain and private key, in this order; ``fingerprint`` names the content."""

    arn: str
    pem: bytes = field(repr=False)
    fingerprint: str

    @classmethod
    def of(cls, arn: str, pem: bytes) -> Bundle:
        """The bundle with its fingerprint."""
        return cls(arn, pem, fingerprint(pem))


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no bundle, in words for the load balancer's owner."""

    reason: str


Found: TypeAlias = Bundle | Missing


class Source(Protocol):
    """Keeps the bundles of the wanted certificates, and keeps them current."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` in the event loop whenever :meth:`bundle` would answer something else. One subscriber."""

    async def want(self, arns: frozenset[str]) -> None:
        """Hold exactly these certificates; others are forgotten with their keys.

        Returns when each of them has been tried, at once if that was before, and in any case within the few seconds
        that the answer to a document may take; the source goes on trying by itself. Raises nothing that concerns one
        certificate. Calls may overlap; the last one counts. Cancellation leaves the source wanting ``arns``.
        """

    def bundle(self, arn: str) -> Found:
        """The last good bundle of a wanted certificate, or why there is none. No I/O."""


class Nowhere:
    """The source of an agent that has not been told of any certificate service."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Nothing ever changes here."""

    async def want(self, arns: frozenset[str]) -> None:
        """Nothing can be had."""

    def bundle(self, arn: str) -> Found:
        return Missing(f"certificate {arn} cannot be had: this agent has no certificate service")


def fingerprint(pem: bytes) -> str:
    """SHA-256 of the whole content, chain and key included, as 64 hexadecimal digits."""
    return hashlib.sha256(pem).hexdigest()
