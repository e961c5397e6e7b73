"""``flow.workers`` against the real engine, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from elbflow import flow, polling, swf
from elbflow_engine import embedded

DOUBLE = flow.WorkflowSignature("double", "1", int, int, timedelta(minutes=5), timedelta(seconds=10))


@flow.activity(name="twice", version="1", start_to_close=timedelta(seconds=10))
async def twice(number: int) -> int:
    return 2 * number


@flow.activity(name="twice", version="2", start_to_close=timedelta(seconds=10))
async def exactly_twice(number: int) -> str:
    return str(2 * number)


@flow.workflow(DOUBLE)
class Double:
    async def run(self, number: int) -> int:
        return await twice(number) + int(await exactly_twice(number))


@pytest.fixture
async def options(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "words")
    async with embedded.engine(hold_s=2.0) as url:
        activities = flow.ActivityRegistry()
        activities.bind(twice)
        activities.bind(exactly_twice)
        yield {
            "domain": "d",
            "connection": swf.ClientSettings(endpoint_url=url),
            "profile": polling.EndpointProfile.local(),
            "workflows": [Double],
            "activities": activities,
            "retention_days": 1,
        }


async def test_a_program_of_its_own(options: dict[str, Any]) -> None:
    async with flow.workers(task_list="first", **options) as client:
        execution = swf.Execution("w", await client.start(DOUBLE, "w", 21))
        assert await client.result(DOUBLE, execution, deadline_s=20) == 84


async def test_a_program_that_moved_to_another_list_is_warned(options: dict[str, Any]) -> None:
    async with flow.workers(task_list="first", **options):
        pass
    with structlog.testing.capture_logs() as logs:
        async with flow.workers(task_list="second", **options):
            pass
    warned = [
        (entry["type"], entry["version"], entry["registered"], entry["wanted"])
        for entry in logs
        if entry["event"] == "registered_type_has_another_task_list"
    ]
    assert warned == [
        ("double", "1", "first", "second"),
        ("twice", "1", "first", "second"),
        ("twice", "2", "first", "second"),
    ]
