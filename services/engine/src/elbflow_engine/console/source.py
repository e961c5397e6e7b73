"""What the console knows about the engine: answers of its operations, its task lists, its health.

Everything about executions comes from the operations themselves, asked with the owner's account: what the console
shows is what a client of that account is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import prometheus_client

from elbflow_engine import core

Answer = Mapping[str, Any]


class Engine(Protocol):
    """The part of :class:`elbflow_engine.driver.Driver` the console uses."""

    @property
    def engine(self) -> core.Engine: ...

    @property
    def recovering(self) -> bool: ...

    def now(self) -> float: ...

    async def call(self, account: str, operation: str, params: core.Object) -> bytes: ...


class Figures(Protocol):
    """Metrics of the engine (``docs/metrics.md``)."""

    def health(self) -> Iterable[prometheus_client.Metric]: ...


@dataclass(frozen=True, slots=True)
class Health:
    """How the engine is now. ``commit_p50_ms`` and ``commit_p99_ms`` are upper bounds since the start, None before the
    first commit; ``shed`` counts requests refused because commits were slow.
    """

    recovering: bool
    version: str
    uptime_s: float
    commits: int
    commit_p50_ms: float | None
    commit_p99_ms: float | None
    shed: int
    reloads: int


class Source:
    """One engine. Use it on the engine's loop."""

    def __init__(self, engine: Engine, figures: Figures, version: str) -> None:
        self._engine = engine
        self._figures = figures
        self._version = version
        self._began = asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        return round(self._engine.now() * 1000)

    async def raw(self, owner: str, operation: str, params: core.Object) -> bytes:
        """The body of an answer. Raises :class:`core.Fault` and ``driver.Unavailable``."""
        return await self._engine.call(owner, operation, params)

    async def call(self, owner: str, operation: str, params: core.Object) -> Answer:
        """A short answer, parsed here and now."""
        answer: Answer = orjson.loads(await self.raw(owner, operation, params))
        return answer

    def domains(self) -> tuple[core.DomainFigures, ...]:
        """All domains of all accounts."""
        return self._engine.engine.domains(self._engine.now())

    def lists(self, owner: str, domain: str) -> tuple[core.ListFigures, ...]:
        """The task lists of a domain that hold a task or a poll."""
        return self._engine.engine.lists(owner, domain, self._engine.now())

    def pollers(self, owner: str, domain: str, kind: str, name: str) -> tuple[tuple[str, int], ...]:
        """Identities of the polls parked on a list, and how many of each."""
        return self._engine.engine.pollers(owner, domain, kind, name)

    def health(self) -> Health:
        samples = _samples(self._figures)
        return Health(
            recovering=self._engine.recovering,
            version=self._version,
            uptime_s=asyncio.get_running_loop().time() - self._began,
            commits=int(samples.total("swfd_commit_seconds_count")),
            commit_p50_ms=samples.quantile_ms("swfd_commit_seconds_bucket", 0.5),
            commit_p99_ms=samples.quantile_ms("swfd_commit_seconds_bucket", 0.99),
            shed=int(samples.total("swfd_shed_total")),
            reloads=int(samples.total("swfd_reloads_total")),
        )


class _Samples:
    def __init__(self, samples: Mapping[str, list[tuple[Mapping[str, str], float]]]) -> None:
        self._samples = samples

    def total(self, name: str) -> float:
        return sum(value for _, value in self._samples.get(name, ()))

    def quantile_ms(self, name: str, share: float) -> float | None:
        """The upper edge of the bucket in which the quantile lies; None without observations."""
        buckets = sorted((float(labels["le"]), value) for labels, value in self._samples.get(name, ()))
        if not buckets or not buckets[-1][1]:
            return None
        wanted = share * buckets[-1][1]
        return next(edge for edge, below in buckets if below >= wanted) * 1000


def _samples(figures: Figures) -> _Samples:
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in figures.health():
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return _Samples(found)
