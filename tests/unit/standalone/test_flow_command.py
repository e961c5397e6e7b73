"""``elbflow flow``: which executions of a domain this build would break, and histories for a replay."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from elbflow import clock, flow, swf
from elbflow.flow import deployment
from elbflow.flow.core import decide
from elbflow.flow.recordings import read_history
from elbflow_engine.testing import SwfDouble
from elbflow_standalone import __main__ as command
from elbflow_standalone.commands import flow as flow_command

DOMAIN = "shop"
LIST = swf.TaskList(swf.TaskKind.DECISION, DOMAIN, "decisions")
ORDER = flow.WorkflowSignature("Order", "1", str, str, timedelta(hours=1), timedelta(seconds=30))
OLD = flow.WorkflowSignature("Order", "0", str, str, timedelta(hours=1), timedelta(seconds=30))


@flow.workflow(ORDER)
class Recorded:
    """As it was deployed."""

    async def run(self, name: str) -> str:
        if name != "quick":
            await flow.sleep(60)
        return name


@flow.workflow(ORDER)
class Changed:
    """As it would be deployed: it sleeps longer."""

    async def run(self, name: str) -> str:
        if name != "quick":
            await flow.sleep(61)
        return name


@pytest.fixture
async def service() -> AsyncIterator[SwfDouble]:
    """A domain with an open order, two that closed quickly, and one of an old version."""
    async with SwfDouble(clock.ManualClock(), random.Random(1)) as double:
        await flow.register_types(double, DOMAIN, retention_days=1, workflows=[ORDER, OLD], task_list="decisions")
        client = flow.Client(double, DOMAIN, "decisions")
        for name in ("quick", "quick", "slow"):
            await client.start(ORDER, f"{name}-1", name)
            await _decide(double)
        await client.start(OLD, "old-1", "x")
        yield double


async def _decide(service: SwfDouble) -> None:
    task = await service.poll_for_decision_task(LIST, identity="decider")
    assert task is not None
    decided = decide.decide(Recorded, task.events, execution=task.execution)
    await service.respond_decision_task_completed(task.token, decided.decisions)


def asked(**options: Any) -> argparse.Namespace:
    given = {"domain": DOMAIN, "closed": 5, "json": False, "workflows": [], **options}
    return argparse.Namespace(**given)


async def examined(service: SwfDouble, workflow: type, closed: int = 5) -> dict[str, list[str]]:
    found = await deployment.examine_domain(service, DOMAIN, [workflow], closed=closed)
    words: dict[str, list[str]] = {}
    for one in found:
        words.setdefault(one.word, []).append(one.info.execution.workflow_id)
    return words


async def test_the_build_that_runs_is_safe(service: SwfDouble) -> None:
    seen: list[tuple[int, int]] = []
    found = await deployment.examine_domain(
        service, DOMAIN, [Recorded], progress=lambda done, total: seen.append((done, total))
    )
    assert sorted(one.word for one in found) == ["same", "same", "same", "unknown"]
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert await examined(service, Recorded, closed=1) == {"same": ["slow-1", "quick-1"], "unknown": ["old-1"]}
    assert await examined(service, Recorded, closed=0) == {"same": ["slow-1"], "unknown": ["old-1"]}


async def test_a_changed_build_breaks_what_it_would_decide_otherwise(service: SwfDouble) -> None:
    assert await examined(service, Changed) == {
        "breaks": ["slow-1"],
        "same": ["quick-1", "quick-1"],
        "unknown": ["old-1"],
    }


async def test_the_table_names_what_would_break(service: SwfDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert flow_command.report(asked(), await deployment.examine_domain(service, DOMAIN, [Changed])) == 1
    shown = capsys.readouterr().out
    assert "not safe: 1 of 4 executions would break; 1 are of workflows that this build does not have" in shown
    assert "breaks: Order slow-1" in shown
    assert "TimerStarted" in shown

    assert flow_command.report(asked(), await deployment.examine_domain(service, DOMAIN, [Recorded])) == 0
    assert "safe: none of 4 executions would break" in capsys.readouterr().out


async def test_programs_get_every_execution(service: SwfDouble, capsys: pytest.CaptureFixture[str]) -> None:
    assert flow_command.report(asked(json=True), await deployment.examine_domain(service, DOMAIN, [Changed])) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["safe"] is False
    rows = {row["workflow_id"]: row for row in said["executions"]}
    assert (rows["slow-1"]["status"], rows["slow-1"]["verdict"]) == ("OPEN", "breaks")
    assert "NonDeterminism" in rows["slow-1"]["error"]
    assert rows["old-1"]["verdict"] == "unknown"
    assert rows["quick-1"]["status"] == "COMPLETED"


async def test_an_execution_that_is_deleted_meanwhile_is_gone(
    service: SwfDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deleted(*_: object, **__: object) -> Any:
        raise swf.UnknownResource("deleted")

    monkeypatch.setattr(service, "get_workflow_execution_history", deleted)
    assert await examined(service, Recorded, closed=0) == {"gone": ["slow-1"], "unknown": ["old-1"]}


async def test_a_history_is_downloaded_for_replay(service: SwfDouble, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = argparse.Namespace(domain=DOMAIN, workflow_id="slow-1", run_id=None, output=None)
    assert flow_command.save(wanted, await deployment.download(service, DOMAIN, "slow-1")) == 0
    history = read_history(capsys.readouterr().out)
    assert history.execution.workflow_id == "slow-1"
    assert history.type == ORDER.type
    flow.replay(Recorded, history.events, execution=history.execution)

    newest = await deployment.download(service, DOMAIN, "quick-1")
    assert newest is not None
    assert newest.events[-1].type == "WorkflowExecutionCompleted"
    again = await deployment.download(service, DOMAIN, "quick-1", newest.execution.run_id)
    assert again == newest


async def test_there_is_no_such_execution(service: SwfDouble, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = argparse.Namespace(domain=DOMAIN, workflow_id="nobody", run_id=None, output=None)
    assert flow_command.save(wanted, await deployment.download(service, DOMAIN, "nobody")) == 2
    assert "shop has no execution nobody" in capsys.readouterr().err


def test_an_endpoint_that_does_not_answer_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    line = ["flow", "safe-to-deploy", "--domain", "d", "--endpoint", "http://127.0.0.1:9"]
    assert command.main(line) == 2
    assert "credentials" in capsys.readouterr().err.lower()


def test_a_share_is_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["flow", "safe-to-deploy", "--share", "1.5"])
    assert "above 0 and at most 1" in capsys.readouterr().err
