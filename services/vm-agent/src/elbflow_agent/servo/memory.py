"""What a VM remembers across restarts: document, health and counters, as private files (REQ-2.2, REQ-4.5, REQ-5.6).

Writing a file replaces it whole; what is unchanged is not written again. A file that cannot be read is reported and
treated as absent: the control plane sends the document again, probes find the health again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import orjson
import pydantic
import structlog

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import files
from elbflow_agent.haproxy import stats, steps
from elbflow_agent.health import tracker
from elbflow_agent.servo.ledger import Ledger

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_RESOLUTION_S = 0.001
"""File systems round times."""
_ROWS = 500
"""Between two steps."""


@dataclass(frozen=True, slots=True)
class SavedHealth:
    """States; the file's modification time is the instant at which they last held."""

    states: dict[str, tracker.Health]


@dataclass(frozen=True, slots=True)
class SavedRow:
    proxy: str
    server: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class SavedMetrics:
    """Ledger and raw baselines; they only make sense together. ``owed`` are answers without a latency, by port."""

    ledger: Ledger
    totals: dict[str, float]
    baselines: dict[int, list[SavedRow]] = field(default_factory=dict)
    owed: dict[int, float] = field(default_factory=dict)


_DOCUMENT = pydantic.TypeAdapter(document.LoadBalancerDocument)
_HEALTH = pydantic.TypeAdapter(SavedHealth)
_METRICS = pydantic.TypeAdapter(SavedMetrics)


class Memory:
    """The files of one VM in ``directory``."""

    def __init__(self, directory: Path, time: clock.Clock) -> None:
        self._directory = directory
        self._clock = time
        self._saved_states: dict[str, tracker.Health] | None = None
        self._saved_metrics: bytes | None = None

    # Made when needed: a path takes 300 bytes, for each VM of a host.
    @property
    def _document(self) -> Path:
        return self._directory / "document.json"

    @property
    def _health(self) -> Path:
        return self._directory / "health.json"

    @property
    def _metrics(self) -> Path:
        return self._directory / "metrics.json"

    async def save_document(self, applied: document.LoadBalancerDocument) -> None:
        await files.exchange(self._document, _DOCUMENT.dump_json(applied))

    async def document(self) -> document.LoadBalancerDocument | None:
        """The last good document."""
        return await _load(self._document, _DOCUMENT)

    async def save_health(self, states: dict[str, tracker.Health]) -> None:
        """Remember that ``states`` hold now. Most of the time they are those of last time, and only the time is new."""
        now = self._clock.now()
        if states == self._saved_states:
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(os.utime, self._health, (now, now))
                return
        await files.exchange(self._health, _HEALTH.dump_json(SavedHealth(states)), modified_at=now)
        self._saved_states = states

    async def health(self, fresh_s: float) -> dict[str, tracker.Health]:
        """Saved states; those older than ``fresh_s`` keep only whether the instance was in rotation."""
        saved = await _load(self._health, _HEALTH)
        if saved is None:
            return {}
        held_at = (await asyncio.to_thread(self._health.stat)).st_mtime
        fresh = -_RESOLUTION_S <= self._clock.now() - held_at <= fresh_s
        return {
            instance_id: health.recounting() if fresh else health.stale()
            for instance_id, health in saved.states.items()
        }

    async def save_metrics(self, ledger: Ledger, counters: stats.Counters) -> None:
        # All of it at one instant: others count while many rows are taken in turns.
        baselines = {pid: dict(rows) for pid, rows in counters.baselines.items()}
        own, unnumbered = _encoded(ledger), _encoded(replace(ledger, sequence=0))
        others = _encoded(counters.totals), _encoded(counters.samples.owed)
        rows = await steps.in_turns(_rows(baselines))
        counted = hashlib.sha256(b"".join((unnumbered, *others, rows))).digest()
        if counted == self._saved_metrics:
            return  # an empty report has nothing to settle, so its number may be forgotten
        parts = zip(("ledger", "totals", "owed", "baselines"), (own, *others, rows), strict=True)
        await files.exchange(
            self._metrics, b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), each) for name, each in parts)
        )
        self._saved_metrics = counted

    async def metrics(self) -> tuple[Ledger, stats.Counters]:
        saved = await _load(self._metrics, _METRICS)
        if saved is None:
            return Ledger(), stats.Counters()
        baselines = {
            pid: {(row.proxy, row.server): row.values for row in rows} for pid, rows in saved.baselines.items()
        }
        counters = stats.Counters(saved.totals, baselines)
        for port, answers in saved.owed.items():
            counters.samples.owe(port, answers)
        return saved.ledger, counters


def _encoded(part: Ledger | Mapping[str, float] | Mapping[int, float]) -> bytes:
    return orjson.dumps(part, option=orjson.OPT_NON_STR_KEYS)


def _rows(baselines: Mapping[int, Mapping[stats.RowKey, dict[str, float]]]) -> steps.Steps[bytes]:
    """:attr:`SavedMetrics.baselines`, encoded."""
    workers = []
    for pid, rows in baselines.items():
        lots = []
        remaining = iter(rows.items())
        while lot := [SavedRow(*key, values) for key, values in itertools.islice(remaining, _ROWS)]:
            lots.append(orjson.dumps(lot)[1:-1])
            yield len(lot)
        workers.append(b'"%d":[%b]' % (pid, b",".join(lots)))
    return b"{%b}" % b",".join(workers)


async def _load(path: Path, adapter: pydantic.TypeAdapter[_T]) -> _T | None:
    data = await files.read(path)
    if data is None:
        return None
    try:
        return adapter.validate_json(data)
    except pydantic.ValidationError as error:
        _log.error("saved_state_unreadable", file=path.name, errors=error.error_count())
        return None
