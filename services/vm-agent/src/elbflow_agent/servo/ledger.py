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
    tells. An empty report settles nothing and is not among them. ``extremes`` are the least and greatest values
    since the report before, by sequence number too.
    """

    sequence: int = 0
    acknowledged: dict[str, float] = field(default_factory=dict)
    owed: dict[int, dict[str, float]] = field(default_factory=dict)
    extremes: dict[int, dict[str, float]] = field(default_factory=dict)

    def take(
        self,
        totals: Mapping[str, float],
        acknowledge: int,
        *,
        period_s: float,
        now: float,
        extremes: Mapping[str, float] | None = None,
    ) -> document.MetricsReport:
        """Settle report ``acknowledge`` if it is still owed, and report all that is not settled.

        ``extremes`` are those since the last call. Sequence numbers grow with the wall clock ``now``, so they stay
        unique when the VM loses its files; they exceed ``acknowledge`` too, for the clock may go back.
        """
        if acknowledge > 0 and self.sequence == 0:
            # The memory of what was published is lost: rather a minute too little than all since HAProxy's start twice.
            self.acknowledged = dict(totals)
        if acknowledge in self.owed:
            self.acknowledged = self.owed[acknowledge]
            self._keep(number for number in self.owed if number > acknowledge)
            self.extremes = {number: found for number, found in self.extremes.items() if number > acknowledge}
        # A total may dip below what was acknowledged (see stats.Counters); the dip is made up by later growth.
        snapshot = {name: max(total, self.acknowledged.get(name, 0.0)) for name, total in totals.items()}
        due = {name: total - self.acknowledged.get(name, 0.0) for name, total in snapshot.items()}
        self.sequence = max(self.sequence + 1, int(now), acknowledge + 1)
        if extremes:
            self.extremes[self.sequence] = dict(extremes)
            self._merge_oldest()
        counters = {name: amount for name, amount in due.items() if amount > 0}
        if counters:
            self.owed[self.sequence] = snapshot
            self._keep(sorted(self.owed)[-_KEPT:])
            counters.update(merged(self.extremes.values()))
        return document.MetricsReport(self.sequence, period_s, tuple(sorted(counters.items())), acknowledge)

    def _keep(self, numbers: Iterable[int]) -> None:
        self.owed = {number: self.owed[number] for number in numbers}

    def _merge_oldest(self) -> None:
        if len(self.extremes) > _KEPT:
            first, second, *_ = sorted(self.extremes)
            self.extremes[second] = merged((self.extremes.pop(first), self.extremes[second]))


def merged(all_extremes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Extremes over several spans: the least of what ends in ``Min``, the greatest of all else."""
    result: dict[str, float] = {}
    for extremes in all_extremes:
        for name, value in extremes.items():
            choose = min if name.endswith("Min") else max
            result[name] = choose(result.get(name, value), value)
    return result
