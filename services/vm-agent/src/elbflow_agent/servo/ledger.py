"""At-least-once hand-over of counters: a report stays owed until it is acknowledged (REQ-5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from elbflow.contract import document

_KEPT = 16
"""Reports that may yet be acknowledged. Only repeated requests and runs that have ended leave others behind."""


@dataclass(slots=True)
class Ledger:
    """What was reported and acknowledged, as snapshots of ever-growing totals.

    ``owed`` are those of the last reports by sequence number: which of them arrived, only the acknowledgement
    tells. An empty report settles nothing and is not among them.
    """

    sequence: int = 0
    acknowledged: dict[str, float] = field(default_factory=dict)
    owed: dict[int, dict[str, float]] = field(default_factory=dict)

    def take(
        self, totals: Mapping[str, float], acknowledge: int, *, period_s: float, now: float
    ) -> document.MetricsReport:
        """Settle report ``acknowledge`` if it is still owed, and report all that is not settled.

        Sequence numbers grow with the wall clock ``now``, so they stay unique when the VM loses its files.
        """
        if acknowledge in self.owed:
            self.acknowledged = self.owed[acknowledge]
            self._keep(number for number in self.owed if number > acknowledge)
        # A total may dip below what was acknowledged (see stats.Counters); the dip is made up by later growth.
        snapshot = {name: max(total, self.acknowledged.get(name, 0.0)) for name, total in totals.items()}
        due = {name: total - self.acknowledged.get(name, 0.0) for name, total in snapshot.items()}
        self.sequence = max(self.sequence + 1, int(now))
        counters = tuple(sorted((name, amount) for name, amount in due.items() if amount > 0))
        if counters:
            self.owed[self.sequence] = snapshot
            self._keep(sorted(self.owed)[-_KEPT:])
        return document.MetricsReport(self.sequence, period_s, counters)

    def _keep(self, numbers: Iterable[int]) -> None:
        self.owed = {number: self.owed[number] for number in numbers}
