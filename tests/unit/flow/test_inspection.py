"""Calls that guards cannot stop are seen in the code of a workflow class."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import randint
from time import time as clock
from typing import Any

import pytest

from elbflow import flow

SIGNATURE = flow.WorkflowSignature("Seen", "1", int, int, timedelta(hours=1), timedelta(seconds=60))


def stamped() -> str:
    return deeper()


def deeper() -> str:
    return datetime.now(UTC).isoformat()


class ByName:
    async def run(self, number: int) -> int:
        return int(clock())


class ByMethod:
    async def run(self, number: int) -> int:
        return dt.datetime.utcnow().year  # noqa: DTZ003


class InComprehension:
    async def run(self, number: int) -> int:
        return len([date.today() for _ in range(number)])  # noqa: DTZ011


class InHelper:
    async def run(self, number: int) -> int:
        return len(stamped())


class InInner:
    async def run(self, number: int) -> int:
        async def inner() -> int:
            return randint(1, number)

        return await inner()


class InMethod:
    async def run(self, number: int) -> int:
        return self.other()

    def other(self) -> int:
        from time import monotonic

        return int(monotonic())


class Base:
    def stamp(self) -> str:
        return str(uuid.uuid4())


class Inherited(Base):
    async def run(self, number: int) -> int:
        return len(self.stamp())


class PlainTask:
    async def run(self, number: int) -> int:
        await asyncio.Task(asyncio.sleep(1))
        return number


class Clean:
    """Uses the clock and chance only where that is allowed."""

    async def run(self, number: int) -> int:
        seeded = random.Random(number)
        parsed = datetime.fromisoformat("2024-01-01") + timedelta(days=1)
        drawn = flow.side_effect(lambda: randint(1, 6) + int(clock()), int)
        noted = flow.side_effect(clock, float)
        await asyncio.create_task(asyncio.sleep(1))
        if isinstance(parsed, (datetime, asyncio.Task)):
            return seeded.randint(1, 6) + drawn
        return int(noted)


@pytest.mark.parametrize(
    ("cls", "said", "place"),
    [
        (ByName, r"time\.time\(\).*use flow\.now\(\)", "ByName.run"),
        (ByMethod, r"datetime\.utcnow\(\).*use flow\.now\(\)", "ByMethod.run"),
        (InComprehension, r"date\.today\(\)", "InComprehension.run"),
        (InHelper, r"datetime\.now\(\)", "in deeper"),
        (InInner, r"random\.randint\(\).*activity", "inner"),
        (InMethod, r"time\.monotonic\(\)", "InMethod.other"),
        (Inherited, r"uuid\.uuid4\(\).*side_effect", "Base.stamp"),
        (PlainTask, r"asyncio\.Task\(\).*create_task", "PlainTask.run"),
    ],
)
def test_a_class_with_such_a_call_is_refused(cls: Any, said: str, place: str) -> None:
    (finding,) = flow.lint(cls)
    assert place in finding
    assert "test_inspection.py:" in finding
    decorate: Callable[[Any], Any] = flow.workflow(SIGNATURE)
    with pytest.raises(flow.NonDeterministicCall, match=said):
        decorate(cls)


def test_all_findings_are_told_at_once() -> None:
    assert len(flow.lint(ByName, InHelper, Clean)) == 2


def test_what_is_repeatable_passes() -> None:
    assert flow.lint(Clean) == ()
    assert flow.workflow(SIGNATURE)(Clean) is Clean
    assert time.time() > 0
