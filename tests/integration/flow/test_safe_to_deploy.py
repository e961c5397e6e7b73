"""``elbflow flow safe-to-deploy`` and ``elbflow flow history`` against a real engine, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from elbflow import flow, swf
from elbflow.contract import names, workflows
from elbflow.contract.document import LoadBalancerKey
from elbflow.flow.core import decide
from elbflow_decider import workflows as build
from elbflow_engine import embedded
from elbflow_standalone import __main__ as command

KEY = LoadBalancerKey("000000000001", "web")
LIST = swf.TaskList(swf.TaskKind.DECISION, names.DOMAIN, names.TASK_LIST)
OTHER = flow.WorkflowSignature("Other", "1", str, str, workflows.ONE_SHOT_TIMEOUT, workflows.DECISION_TIMEOUT)


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[str]:
    """An engine on which the decider has answered the first decision of three workflows."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    async with embedded.engine() as url, swf.Client.open(settings(url)) as client:
        await flow.register_types(
            client, names.DOMAIN, retention_days=1, workflows=[*workflows.ALL, OTHER], task_list=names.TASK_LIST
        )
        starter = flow.Client(client, names.DOMAIN, names.TASK_LIST)
        await starter.start(workflows.ENABLE_ZONE, "enable", workflows.ZonesInput(KEY, ("a",)))
        await decided(client, build.EnableAvailabilityZone)
        await starter.start(workflows.DELETE_LISTENERS, "delete", workflows.ListenersInput(KEY, (80,)))
        await decided(client, build.CreateLoadBalancerListeners)  # by a build that was quite another
        await starter.start(OTHER, "other", "x")
        yield url


def settings(url: str) -> swf.ClientSettings:
    return swf.ClientSettings(region="local-1", endpoint_url=url, poll_connections=2, data_connections=4)


async def decided(client: swf.Client, workflow: type) -> None:
    task = await client.poll_for_decision_task(LIST, identity="decider")
    assert task is not None
    answer = decide.decide(workflow, task.events, execution=task.execution)
    activities = [one.attributes["activityType"] for one in answer.decisions if one.type == "ScheduleActivityTask"]
    for kind in activities:
        assert isinstance(kind, dict)
        await register(client, swf.TypeId(str(kind["name"]), str(kind["version"])))
    await client.respond_decision_task_completed(task.token, answer.decisions)


async def register(client: swf.Client, kind: swf.TypeId) -> None:
    await client.register_activity_type(names.DOMAIN, kind, task_list=names.TASK_LIST)


async def test_what_would_break_is_found_and_downloaded(
    endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--endpoint", endpoint, "--region", "local-1", "--domain", names.DOMAIN]

    assert await asyncio.to_thread(command.main, ["flow", "safe-to-deploy", "--json", *where]) == 1
    said = json.loads(capsys.readouterr().out)
    verdicts = {row["workflow_id"]: row["verdict"] for row in said["executions"]}
    assert verdicts == {"enable": "same", "delete": "breaks", "other": "unknown"}

    saved = tmp_path / "delete.json"
    assert await asyncio.to_thread(command.main, ["flow", "history", "delete", "-o", str(saved), *where]) == 0
    assert f"now: elbflow replay {saved}" in capsys.readouterr().err
    assert await asyncio.to_thread(command.main, ["replay", str(saved)]) == 1
    assert "recorded in history" in capsys.readouterr().out
