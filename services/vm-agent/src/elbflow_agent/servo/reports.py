"""Pure: the health report of a VM from its document and its checkers' states (REQ-2.3, spec/vm-agent 4.3)."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import orjson

from elbflow.contract import document
from elbflow_agent.health import tracker

_MOST_REASONS = 1500
"""Bytes, compressed as a large payload is."""


def health_report(
    applied: document.LoadBalancerDocument | None,
    states: Mapping[str, tracker.Health],
    excluded: Mapping[str, str],
    problems: tuple[document.ListenerProblem, ...] = (),
) -> document.HealthReport:
    """Health of every instance this VM reports on, by instance id, and ``problems`` of listeners.

    Instances of other zones are checked for routing and left out; ``excluded`` ones cannot be served and say why.
    """
    instances = []
    for backend in sorted(applied.backends if applied is not None else (), key=lambda each: each.instance_id):
        if not backend.report_health:
            continue
        name = backend.instance_id
        if name in excluded:
            state, description = document.InstanceState.OUT_OF_SERVICE, excluded[name]
        else:
            health = states.get(name, tracker.Health())
            state, description = health.state, health.description
        instances.append(document.InstanceHealth(name, state, description))
    # Without problems as earlier builds had it: agents that are updated have nothing new to say.
    digest = hashlib.sha256(orjson.dumps([instances, problems] if problems else instances)).hexdigest()[:24]
    return document.HealthReport(digest, tuple(instances), problems)


def collected(*found: Iterable[document.ListenerProblem]) -> tuple[document.ListenerProblem, ...]:
    """All problems by port; their reasons are cut if a payload has no room for them beside a thousand instances."""
    problems = tuple(sorted(itertools.chain(*found), key=lambda problem: problem.port))
    if len(zlib.compress("".join(each.reason for each in problems).encode())) <= _MOST_REASONS:
        return problems
    most = _MOST_REASONS // len(problems)
    return tuple(replace(each, reason=f"{each.reason[:most]}…") for each in problems)


def is_urgent(before: Mapping[str, tracker.Health], now: Mapping[str, tracker.Health]) -> bool:
    """Whether ``now`` tells something of an instance that neither ``before`` did nor is assumed of a new one."""
    unheard = tracker.Health()
    return any(_told(health) != _told(before.get(name, unheard)) for name, health in now.items())


def _told(health: tracker.Health) -> tuple[document.InstanceState, str]:
    return health.state, health.description
