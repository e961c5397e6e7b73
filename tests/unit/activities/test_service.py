"""Settings, bindings and the starter."""

from __future__ import annotations

import asyncio

import pydantic
import pytest
from tests.unit.activities.world import World

from elbflow import swf
from elbflow.contract import activities, names
from elbflow_activities import registry, starter
from elbflow_activities.__main__ import main
from elbflow_activities.environment import Policy
from elbflow_activities.settings import ActivitiesSettings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_STORE_URL", "sqlite+aiosqlite:////tmp/x")
    monkeypatch.setenv("ELBFLOW_AGENT_HOST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ELBFLOW_ZONES", "east, west")
    monkeypatch.setenv("ELBFLOW_VM_PER_ZONE", "3")
    monkeypatch.setenv("ELBFLOW_SWF_ENDPOINT", "http://127.0.0.1:2")
    settings = ActivitiesSettings()  # type: ignore[call-arg]
    assert settings.zones == ("east", "west")
    assert settings.policy() == Policy(vms_per_zone=3, failures_to_recycle=24)
    assert settings.profile().name == "local"
    assert settings.client_settings().endpoint_urls == ("http://127.0.0.1:2",)
    assert settings.client_settings().data_connections == 2 * settings.activity_slots


def test_wrong_settings_are_named_and_end_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELBFLOW_STORE_URL", raising=False)
    with pytest.raises(pydantic.ValidationError):
        ActivitiesSettings()  # type: ignore[call-arg]
    assert main([]) == 2
    assert "store_url" in capsys.readouterr().err


async def test_every_activity_of_the_contract_is_carried_out(world: World) -> None:
    bound = {activity.type for activity in registry.bind(world.env).activities()}
    assert bound == {activity.type for activity in activities.ALL}


async def test_the_starter_keeps_one_health_check_running(world: World) -> None:
    keeping = asyncio.create_task(starter.keep_service_health_running(world.env.executions, 60.0, world.clock))
    await world.clock.advance(1)
    assert await world.open_ids() == {names.SERVICE_HEALTH_WORKFLOW_ID}

    await world.service.terminate_workflow_execution(names.DOMAIN, names.SERVICE_HEALTH_WORKFLOW_ID)
    await world.clock.advance(58)
    assert await world.open_ids() == set()
    await world.clock.advance(2)
    assert await world.open_ids() == {names.SERVICE_HEALTH_WORKFLOW_ID}
    keeping.cancel()


async def test_the_starter_survives_an_swf_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[swf.SwfError] = [swf.Unavailable("down"), swf.UnknownResource("no domain")]
    started = world.env.executions.start_service_health

    async def flaky(period_s: float) -> bool:
        if faults:
            raise faults.pop()
        return await started(period_s)

    monkeypatch.setattr(world.env.executions, "start_service_health", flaky)
    keeping = asyncio.create_task(starter.keep_service_health_running(world.env.executions, 60.0, world.clock))
    for _ in range(3):
        await world.clock.advance(60)
    assert await world.open_ids() == {names.SERVICE_HEALTH_WORKFLOW_ID}
    keeping.cancel()
