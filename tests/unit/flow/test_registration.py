"""Registering domains and types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf

SIGNATURE = flow.WorkflowSignature("W", "1", int, int, timedelta(hours=1), timedelta(seconds=30))


@flow.abstract_activity(name="a", version="1", schedule_to_start=timedelta(seconds=4))
async def activity() -> None:
    """Nothing."""


async def test_everything_is_registered_whether_or_not_it_was_there(service: Any) -> None:
    service.faults = [swf.AlreadyExists(), swf.AlreadyExists(), swf.AlreadyExists()]
    await flow.register_types(
        service, "d", retention_days=1, workflows=[SIGNATURE], activities=[activity], task_list="list"
    )
    assert service.names == ["register_domain", "register_workflow_type", "register_activity_type"]
    assert service.calls[0][2] == {"retention_days": 1}
    assert service.calls[1][2]["execution_timeout"] == timedelta(hours=1)
    assert service.calls[2][2]["schedule_to_start"] == timedelta(seconds=4)
    assert service.calls[2][2]["start_to_close"] is None


async def test_other_faults_are_raised(service: Any) -> None:
    service.faults = [swf.UnknownResource("no such domain")]
    with pytest.raises(swf.UnknownResource):
        await flow.register_types(service, "d", workflows=[SIGNATURE])
