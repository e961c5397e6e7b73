"""A change of health is told at once; that a document names other instances can wait for a few seconds."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from tests import stopwatch

from elbflow.contract import document
from elbflow_agent.health import tracker
from elbflow_agent.servo import news, reports

NEW = tracker.Health()
IN = tracker.Health(document.InstanceState.IN_SERVICE, True, "")
OUT = tracker.Health(document.InstanceState.OUT_OF_SERVICE, False, tracker.FAILED)


@pytest.mark.parametrize(
    ("before", "now", "urgent"),
    [
        ({}, {"i-1": NEW}, False),
        ({"i-1": IN}, {"i-1": IN, "i-2": NEW}, False),
        ({"i-1": IN, "i-2": IN}, {"i-1": IN}, False),
        ({"i-1": NEW}, {"i-1": tracker.Health(streak=1)}, False),
        ({"i-1": NEW}, {"i-1": IN}, True),
        ({"i-1": IN}, {"i-1": OUT}, True),
        ({"i-1": IN}, {"i-1": IN, "i-2": IN}, True),
        ({}, {"i-1": tracker.unchecked()}, True),
    ],
)
def test_what_nobody_could_know_is_urgent(
    before: dict[str, tracker.Health], now: dict[str, tracker.Health], urgent: bool
) -> None:
    assert reports.is_urgent(before, now) is urgent


async def test_news_wake_everybody_at_once_or_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "_LATER_S", (0.2, 0.2))
    told = news.News(random.Random(1))
    began = time.monotonic()
    waiting = [asyncio.create_task(told.wait(30.0)) for _ in range(3)]
    await asyncio.sleep(0.01)
    async with stopwatch.within(0.15):
        told.tell_later()
        told.tell()  # takes what could have waited along
        await asyncio.gather(*waiting)
    await told.wait(0.3)
    assert time.monotonic() - began >= 0.3, "told twice"
    began = time.monotonic()
    told.tell_later()
    told.tell_later()
    await told.wait(30.0)
    assert 0.15 < time.monotonic() - began < 5.0
    told.tell_later()
    told.close()
    began = time.monotonic()
    await told.wait(0.25)
    assert time.monotonic() - began >= 0.24
