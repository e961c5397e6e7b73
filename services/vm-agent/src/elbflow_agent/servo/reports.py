"""Pure: the health report of a VM from its document and its checkers' states (REQ-2.3, spec/vm-agent 4.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from elbflow.contract import document
from elbflow_agent.health import tracker


def health_report(
    applied: document.LoadBalancerDocument | None,
    states: Mapping[str, tracker.Health],
    excluded: Mapping[str, str],
) -> document.HealthReport:
    """Health of every instance this VM reports on, by instance id.

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
    digest = hashlib.sha256(orjson.dumps(instances)).hexdigest()[:24]
    return document.HealthReport(digest, tuple(instances))
