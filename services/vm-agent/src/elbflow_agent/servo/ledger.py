"""At-least-once hand-over of counters: a report stays owed until it is acknowledged (REQ-5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elbflow.contract import document


@dataclass(slots=True)
class Ledger:
    """What was reported and acknowledged, as snapshots of ever-growing totals."""

    sequence: int = 0
    acknowledged: dict[str, float] = field(default_factory=dict)
    outstanding: dict[str, float] = field(default_factory=dict)

    def take(
        self, totals: Mapping[str, float], acknowledge: int, *, period_s: float, now: float
    ) -> document.MetricsReport:
        """Settle report ``acknowledge`` if it is the outstanding one, and report all that is not settled.

        Sequence numbers grow with the wall clock ``now``, so they stay unique when the VM loses its files.
        """
        if acknowledge == self.sequence:
            self.acknowledged = self.outstanding
        # A total may dip below what was acknowledged (see stats.Counters); the dip is made up by later growth.
        snapshot = {name: max(total, self.acknowledged.get(name, 0.0)) for name, total in totals.items()}
        due = {name: total - self.acknowledged.get(name, 0.0) for name, total in snapshot.items()}
        self.sequence = max(self.sequence + 1, int(now))
        self.outstanding = snapshot
        counters = tuple(sorted((name, amount) for name, amount in due.items() if amount > 0))
        return document.MetricsReport(self.sequence, period_s, counters)
