"""The AWS CLI: every subcommand of ``aws swf``, in this process and once as users start it (13.16)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from awscli import clidriver
from tests.conformance.engine import served

DOMAIN, LIST = served.DOMAIN, "name=main"
TYPE = "name=greet,version=1"
SINCE = ("--start-time-filter", "oldestDate=0")
ARN = f"arn:aws:swf:us-east-1:{served.ACCESS_KEY}:/domain/{DOMAIN}"
EVERY_SUBCOMMAND = 39

Aws = Callable[..., Any]


@pytest.fixture(scope="module")
def environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_SWF": endpoint,
        "AWS_ACCESS_KEY_ID": served.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }


@pytest.fixture
def used() -> set[str]:
    return set()


@pytest.fixture
def aws(
    environment: dict[str, str], used: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Aws:
    """Run ``aws swf ...`` in this process and return what it prints, parsed; None when it prints nothing."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    driver = clidriver.create_clidriver()

    def run(subcommand: str, *options: str, fails: bool = False) -> Any:
        used.add(subcommand)
        code = driver.main(["swf", subcommand, *options, "--output", "json"])
        printed = capsys.readouterr()
        if fails:
            assert code != 0
            return printed.err
        assert code == 0, printed.err
        return json.loads(printed.out) if printed.out.strip() else None

    return run


def domains(aws: Aws) -> None:
    aws("register-domain", "--name", DOMAIN, "--workflow-execution-retention-period-in-days", "1")
    aws("register-domain", "--name", "old", "--workflow-execution-retention-period-in-days", "NONE")
    aws("deprecate-domain", "--name", "old")
    assert aws("describe-domain", "--name", "old")["domainInfo"]["status"] == "DEPRECATED"
    aws("undeprecate-domain", "--name", "old")
    names = [info["name"] for info in aws("list-domains", "--registration-status", "REGISTERED")["domainInfos"]]
    assert names == [DOMAIN, "old"]
    aws("tag-resource", "--resource-arn", ARN, "--tags", "key=a,value=1", "key=b,value=2")
    aws("untag-resource", "--resource-arn", ARN, "--tag-keys", "a")
    assert aws("list-tags-for-resource", "--resource-arn", ARN) == {"tags": [{"key": "b", "value": "2"}]}
    err = aws("describe-domain", "--name", "none", fails=True)
    assert "An error occurred (UnknownResourceFault) when calling the DescribeDomain operation: Unknown domain" in err


def types(aws: Aws) -> None:
    defaults = {
        "workflow": [
            "--default-task-list",
            LIST,
            "--default-task-start-to-close-timeout",
            "30",
            "--default-execution-start-to-close-timeout",
            "300",
            "--default-child-policy",
            "TERMINATE",
        ],
        "activity": [
            "--default-task-list",
            LIST,
            *(
                word
                for name in ("schedule-to-start", "schedule-to-close", "start-to-close", "heartbeat")
                for word in (f"--default-task-{name}-timeout", "NONE")
            ),
        ],
    }
    for kind, given in defaults.items():
        named = ("--domain", DOMAIN, f"--{kind}-type", TYPE)
        for version in ("1", "2"):
            register = ("--domain", DOMAIN, "--name", "greet", "--workflow-version", version)
            if kind == "activity":
                register = ("--domain", DOMAIN, "--name", "greet", "--activity-version", version)
            aws(f"register-{kind}-type", *register, *given)
        aws(f"deprecate-{kind}-type", *named)
        assert aws(f"describe-{kind}-type", *named)["typeInfo"]["status"] == "DEPRECATED"
        aws(f"undeprecate-{kind}-type", *named)
        second = ("--domain", DOMAIN, f"--{kind}-type", "name=greet,version=2")
        aws(f"deprecate-{kind}-type", *second)
        aws(f"delete-{kind}-type", *second)
        listed = aws(f"list-{kind}-types", "--domain", DOMAIN, "--registration-status", "REGISTERED")
        assert len(listed["typeInfos"]) == 1


def executions(aws: Aws) -> None:
    start = ("--domain", DOMAIN, "--workflow-type", TYPE, "--workflow-id")
    run_id = aws("start-workflow-execution", *start, "w", "--tag-list", "x", "y")["runId"]
    aws("signal-workflow-execution", "--domain", DOMAIN, "--workflow-id", "w", "--signal-name", "s")
    aws("request-cancel-workflow-execution", "--domain", DOMAIN, "--workflow-id", "w", "--run-id", run_id)
    execution = ("--execution", f"workflowId=w,runId={run_id}")
    info = aws("describe-workflow-execution", "--domain", DOMAIN, *execution)["executionInfo"]
    assert (info["cancelRequested"], info["tagList"]) == (True, ["x", "y"])
    assert aws("count-pending-decision-tasks", "--domain", DOMAIN, "--task-list", LIST)["count"] == 1
    tasks(aws)
    history = aws("get-workflow-execution-history", "--domain", DOMAIN, *execution, "--page-size", "3")
    assert [event["eventId"] for event in history["events"]] == list(range(1, len(history["events"]) + 1))
    aws("start-workflow-execution", *start, "doomed")
    assert len(aws("list-open-workflow-executions", "--domain", DOMAIN, *SINCE)["executionInfos"]) == 1
    assert aws("count-open-workflow-executions", "--domain", DOMAIN, *SINCE)["count"] == 1
    aws("terminate-workflow-execution", "--domain", DOMAIN, "--workflow-id", "doomed", "--child-policy", "ABANDON")
    closed = aws("list-closed-workflow-executions", "--domain", DOMAIN, *SINCE, "--max-items", "1")
    assert len(closed["executionInfos"]) == 1
    assert "NextToken" in closed
    terminated = ("--close-status-filter", "status=TERMINATED")
    assert aws("count-closed-workflow-executions", "--domain", DOMAIN, *SINCE, *terminated)["count"] == 1


def tasks(aws: Aws) -> None:
    polled = ("--domain", DOMAIN, "--task-list", LIST)
    activities = [
        {
            "decisionType": "ScheduleActivityTask",
            "scheduleActivityTaskDecisionAttributes": {
                "activityId": name,
                "activityType": {"name": "greet", "version": "1"},
            },
        }
        for name in ("completed", "failed", "canceled")
    ]
    token = aws("poll-for-decision-task", *polled, "--no-paginate")["taskToken"]
    aws("respond-decision-task-completed", "--task-token", token, "--decisions", json.dumps(activities))
    assert aws("count-pending-activity-tasks", *polled)["count"] == 3
    for name in ("completed", "failed", "canceled"):
        task = aws("poll-for-activity-task", *polled, "--identity", "cli")
        assert task["activityId"] == name
        beat = aws("record-activity-task-heartbeat", "--task-token", task["taskToken"], "--details", "half")
        assert beat == {"cancelRequested": False}
        aws(f"respond-activity-task-{name}", "--task-token", task["taskToken"])
    token = aws("poll-for-decision-task", *polled)["taskToken"]
    complete = json.dumps([{"decisionType": "CompleteWorkflowExecution"}])
    aws("respond-decision-task-completed", "--task-token", token, "--decisions", complete)


def test_every_subcommand(aws: Aws, used: set[str]) -> None:
    domains(aws)
    types(aws)
    executions(aws)
    assert len(used) == EVERY_SUBCOMMAND


def test_as_users_start_it(environment: dict[str, str]) -> None:
    program = shutil.which("aws", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program is not None
    command = [program, "swf", "describe-domain", "--name", "nothing"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=50)
    assert done.returncode != 0
    assert "UnknownResourceFault" in done.stderr
    assert "Unknown domain: nothing" in done.stderr
