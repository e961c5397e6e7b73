"""What the exchange of certificates counts, for all VMs of a process."""

from __future__ import annotations

import time
import weakref

from prometheus_client import CollectorRegistry, Counter, Gauge

from elbflow_agent.certificates import schedule


class Meters:
    """Metrics of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.downloads = Counter(
            "elbflow_agent_certificate_downloads",
            "Downloads of server certificates by outcome: changed, unchanged, failed",
            ["outcome"],
            registry=registry,
        )
        self.missing = Gauge(
            "elbflow_agent_certificates_missing", "Wanted certificates that there is no copy of", registry=registry
        )
        self._ends: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()
        expiring = Gauge(
            "elbflow_agent_delegation_certificates_expiring",
            f"VMs whose delegation certificate ends within {schedule.ALARM_S / 86400:g} days",
            registry=registry,
        )
        expiring.set_function(lambda: sum(end - time.time() < schedule.ALARM_S for end in self._ends.values()))

    def delegation(self, owner: object, expires_at: float) -> None:
        """Remember when the credential of ``owner`` ends, as long as the owner lives."""
        self._ends[owner] = expires_at
