"""What a servo is told at the start, and what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elbflow.contract import document
from elbflow_agent.haproxy import model, place, plan


@dataclass(frozen=True, slots=True)
class ServoOptions:
    """``owner`` None accepts any load balancer's document.

    ``removal_grace_s`` bounds the drain of removed servers when connection draining is off. ``key_directory`` is where
    HAProxy reads certificates with their keys. ``publish_s``: how long to store unfinished access logs when leaving.
    ``server_connections`` bounds the connections of each server, 0 does not. ``first_success``: one passed health check
    is enough for an instance that has never been in service. Listeners are on ``address`` and ``more_addresses``.
    ``any_pair`` serves protocols of different layers in one listener. ``is_ending``: HAProxy was told to stop, and all
    that is left to do is to see it off.
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
    more_addresses: tuple[str, ...] = ()
    any_pair: bool = False
    is_ending: bool = False

    @property
    def manner(self) -> plan.Manner:
        """What is done with every document."""
        return plan.Manner(self.server_connections, self.more_addresses, self.any_pair)

    @property
    def nothing(self) -> model.Model:
        """What HAProxy serves without a document."""
        return model.Model(self.address, more_addresses=self.more_addresses)

    def drain_s(self, wanted: document.LoadBalancerDocument | None) -> float:
        """How long sessions have whose server leaves."""
        return self.removal_grace_s if wanted is None else draining_s(wanted.attributes, self.removal_grace_s)

    def old_worker_s(self, wanted: document.LoadBalancerDocument | None) -> float:
        """How long sessions have that a reload leaves in the old HAProxy worker."""
        return self.limits.hard_stop_s if wanted is None else draining_s(wanted.attributes, self.limits.hard_stop_s)


def draining_s(attributes: document.Attributes, otherwise: float) -> float:
    """The draining timeout, or ``otherwise`` when draining is off."""
    return float(attributes.draining_timeout_s) if attributes.draining_enabled else otherwise


@dataclass(frozen=True, slots=True)
class ServoStatistics:
    """What a servo is doing, for people.

    ``reloads`` are those since the agent started, ``certificates_end`` epoch seconds by the port of their listener.
    """

    generation: int | None
    content_hash: str | None
    problems: tuple[document.ListenerProblem, ...]
    haproxy_pid: int | None
    instances: int
    in_rotation: int
    reloads: int = 0
    certificates_end: Mapping[int, float] = field(default_factory=dict)
