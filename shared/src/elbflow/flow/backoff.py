"""How long a run with a defect is left alone (spec/anchors 3.8 rule 6)."""

from __future__ import annotations

import collections

FIRST_S = 5.0
LONGEST_S = 60.0
_MOST_RUNS = 10_000


class Backoff:
    """Pauses per run: 5 s after the first defect, twice as long after each further one, at most 60 s."""

    def __init__(self) -> None:
        self._runs: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def failed(self, run_id: str, now: float) -> float:
        """Note a defect at monotonic ``now``; the seconds until the run is worth another try."""
        _, last = self._runs.pop(run_id, (0.0, 0.0))
        pause = min(last * 2, LONGEST_S) if last else FIRST_S
        self._runs[run_id] = (now + pause, pause)
        if len(self._runs) > _MOST_RUNS:
            self._runs.popitem(last=False)
        return pause

    def recovered(self, run_id: str) -> None:
        self._runs.pop(run_id, None)

    def resting(self, run_id: str, now: float) -> bool:
        """Whether the run should still be left alone."""
        until, _ = self._runs.get(run_id, (0.0, 0.0))
        return now < until
