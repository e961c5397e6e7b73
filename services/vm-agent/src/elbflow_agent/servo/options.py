"""What a servo is told at the start, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from elbflow.contract import document
from elbflow_agent.haproxy import place


@dataclass(frozen=True, slots=True)
class ServoOptions:
    """``owner`` None accepts any load balancer's document.

    ``removal_grace_s`` bounds the drain of removed servers when connection draining is off. ``key_directory`` is where
    HAProxy reads certificates with their keys. ``publish_s``: how long to store unfinished access logs when leaving.
    ``server_connections`` bounds the connections of each server, 0 does not. ``first_success``: one passed health check
    is enough for an instance that has never been in service.
    """

    address: str
    directory: Path
    binary: str
    owner: document.LoadBalancerKey | None = None
    limits: place.Limits = field(default_factory=place.Limits)
    removal_grace_s: float = 5.0
    key_directory: Path | None = None
    publish_s: float = 0.0
    server_connections: int = 0
    first_success: bool = False

    def drain_s(self, wanted: document.LoadBalancerDocument | None) -> float:
        """How long sessions have whose server leaves."""
        return self.removal_grace_s if wanted is None else _draining_s(wanted.attributes, self.removal_grace_s)

    def old_worker_s(self, wanted: document.LoadBalancerDocument | None) -> float:
        """How long sessions have that a reload leaves in the old HAProxy worker."""
        return self.limits.hard_stop_s if wanted is None else _draining_s(wanted.attributes, self.limits.hard_stop_s)


def _draining_s(attributes: document.Attributes, otherwise: float) -> float:
    return float(attributes.draining_timeout_s) if attributes.draining_enabled else otherwise


@dataclass(frozen=True, slots=True)
class ServoStatistics:
    """What a servo is doing, for people."""

    generation: int | None
    content_hash: str | None
    problems: tuple[document.ListenerProblem, ...]
    haproxy_pid: int | None
    instances: int
    in_rotation: int
