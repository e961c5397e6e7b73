"""Registering domains and types."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
import structlog

from elbflow import flow, swf
from elbflow.clock import ManualClock
from elbflow_engine.testing import SwfDouble

SIGNATURE = flow.WorkflowSignature("W", "1", int, int, timedelta(hours=1), timedelta(seconds=30))


@flow.abstract_activity(name="a", version="1", schedule_to_start=timedelta(seconds=4))
async def activity() -> None:
    """Nothing."""


async def test_everything_is_registered_whether_or_not_it_was_there(service: Any) -> None:
    service.faults = [swf.AlreadyExists(), swf.AlreadyExists(), None, swf.AlreadyExists(), None]
    await flow.register_types(
        service, "d", retention_days=1, workflows=[SIGNATURE], activities=[activity], task_list="list"
    )
    assert service.names == [
        "register_domain",
        "register_workflow_type",
        "describe_workflow_type",
        "register_activity_type",
        "describe_activity_type",
    ]
    assert service.calls[0][2] == {"retention_days": 1}
    assert service.calls[1][2]["execution_timeout"] == timedelta(hours=1)
    assert service.calls[3][2]["schedule_to_start"] == timedelta(seconds=4)
    assert service.calls[3][2]["start_to_close"] is None


async def test_other_faults_are_raised(service: Any) -> None:
    service.faults = [swf.UnknownResource("no such domain")]
    with pytest.raises(swf.UnknownResource):
        await flow.register_types(service, "d", workflows=[SIGNATURE])


@pytest.mark.parametrize(
    ("registered", "task_list", "warnings"),
    [
        (swf.TypeDetail(deprecated=False, task_list="list"), "list", []),
        (swf.TypeDetail(deprecated=False, task_list="old"), None, []),
        (swf.TypeDetail(deprecated=False, task_list="old"), "list", ["registered_type_has_another_task_list"]),
        (swf.TypeDetail(deprecated=True, task_list="list"), "list", ["registered_type_is_deprecated"]),
    ],
)
async def test_what_is_registered_otherwise_is_said(
    service: Any, registered: swf.TypeDetail, task_list: str | None, warnings: list[str]
) -> None:
    service.faults = [swf.AlreadyExists()]
    service.registered = registered
    with structlog.testing.capture_logs() as logs:
        await flow.register_types(service, "d", activities=[activity], task_list=task_list)
    assert [entry["event"] for entry in logs] == warnings
    assert all(entry["remedy"] and entry["type"] == "a" for entry in logs)


async def test_a_type_that_cannot_be_described_stops_nothing(service: Any) -> None:
    service.faults = [swf.AlreadyExists(), swf.Denied("not allowed"), swf.AlreadyExists(), swf.Throttled()]
    await flow.register_types(service, "d", workflows=[SIGNATURE], activities=[activity], task_list="list")
    assert service.names[-1] == "describe_activity_type"


async def test_the_engine_says_what_is_registered() -> None:
    async with SwfDouble(ManualClock(), random.Random(1)) as engine:
        await flow.register_types(engine, "d", retention_days=1, workflows=[SIGNATURE], activities=[activity])
        assert await engine.describe_workflow_type("d", SIGNATURE.type) == swf.TypeDetail(False, None)
        await engine.call("DeprecateActivityType", {"domain": "d", "activityType": {"name": "a", "version": "1"}})
        with structlog.testing.capture_logs() as logs:
            await flow.register_types(engine, "d", workflows=[SIGNATURE], activities=[activity], task_list="list")
    assert [(entry["event"], entry["type"]) for entry in logs] == [
        ("registered_type_has_another_task_list", "W"),
        ("registered_type_is_deprecated", "a"),
        ("registered_type_has_another_task_list", "a"),
    ]
