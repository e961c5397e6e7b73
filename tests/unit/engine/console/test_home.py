"""The first page when the engine is not well."""

from __future__ import annotations

from typing import Any

import prometheus_client
from prometheus_client import core as prometheus

from elbflow_engine import core, refusals
from elbflow_engine.console import asked, rendering, source
from elbflow_engine.console.views import home


class Figures:
    """What a prometheus client counts."""

    def __init__(self, commits_s: list[float], shed: int) -> None:
        registry = prometheus_client.CollectorRegistry()
        histogram = prometheus_client.Histogram(
            "swfd_commit_seconds", "", buckets=(0.001, 0.01, 0.1), registry=registry
        )
        for seconds in commits_s:
            histogram.observe(seconds)
        prometheus_client.Counter("swfd_shed", "", registry=registry).inc(shed)
        self._registry = registry

    def health(self) -> list[prometheus.Metric]:
        return list(self._registry.collect())


class Engine:
    """A driver whose journal cannot be written."""

    recovering = True

    @property
    def engine(self) -> Any:
        return self

    def now(self) -> float:
        return 1_700_000_000.0

    def domains(self, now: float) -> tuple[core.DomainFigures, ...]:
        return (core.DomainFigures("1", "house", "DEPRECATED", 7, 1, 2, 3, 4, 65.0),)

    async def call(self, account: str, operation: str, params: core.Object) -> bytes:
        raise refusals.Unavailable("The journal cannot be written; try again later")


async def page_of(figures: Figures) -> str:
    asked_source = source.Source(Engine(), figures, "1.2.3")
    renderer = rendering.Renderer()
    view = await home.view(asked_source, asked.Query({}))
    try:
        return await renderer.page("home.html", {**view.context, "live": view.live})
    finally:
        renderer.close()


async def test_it_says_that_the_engine_recovers_and_shows_what_is_in_memory() -> None:
    html = await page_of(Figures([0.0005] * 98 + [0.05] * 2, shed=3))
    assert "recovering: the journal cannot be written" in html
    assert "half within 1 ms, 99 % within 100 ms" in html
    assert '<dd class="bad">3</dd>' in html
    assert ">?</a>" in html
    assert "deprecated" in html
    assert "1 min 5 s" in html


async def test_before_the_first_commit_there_is_no_latency() -> None:
    html = await page_of(Figures([], shed=0))
    assert "half within" not in html
    assert "shed" not in html
