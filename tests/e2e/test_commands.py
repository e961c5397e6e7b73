"""The ready file, ``elbflow env`` with the real AWS CLI, and errors as users meet them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.e2e.stacks import SCRIPTS, RunningStack


def test_ready_file_says_where_everything_is_and_is_private(stack: RunningStack) -> None:
    assert stat.S_IMODE(stack.ready_file.stat().st_mode) == 0o600
    assert set(stack.ready["pids"]) == {"redis", "engine", "api", "decider", "activities", "agent"}
    for url in stack.ready["metrics"].values():
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert b"# HELP" in answer.read()


def test_plain_aws_cli_works_with_the_env_lines(stack: RunningStack) -> None:
    exports = dict(line.removeprefix("export ").split("=", 1) for line in stack.run("env").stdout.splitlines())
    environment = {**os.environ, **{name: value.strip("'") for name, value in exports.items()}}
    finished = subprocess.run(
        [sys.executable, str(SCRIPTS / "aws"), "elb", "describe-load-balancers", "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == {"LoadBalancerDescriptions": []}


def test_status_and_workflow_list(stack: RunningStack) -> None:
    assert "ready" in stack.run("status").stdout
    assert "PerformServiceHealthCheck" in stack.run("workflow", "list").stdout


def test_unknown_load_balancer(stack: RunningStack) -> None:
    with pytest.raises(ClientError) as caught:
        stack.elb().describe_load_balancers(LoadBalancerNames=["nobody"])
    assert caught.value.response["Error"]["Code"] == "LoadBalancerNotFound"
    assert stack.run("lb", "show", "nobody", check=False).returncode == 1


def test_unsigned_request_is_refused(stack: RunningStack) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{stack.ready['elb']}/?Action=DescribeLoadBalancers", timeout=5)
    with caught.value as answer:
        assert answer.code == 403
        assert b"<Code>MissingAuthenticationToken</Code>" in answer.read()


def test_secrets_are_in_no_command_line_and_no_log(stack: RunningStack) -> None:
    secret = stack.ready["secret_access_key"].encode()
    logs = [path.read_bytes() for path in stack.where.log_dir.iterdir()]
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in stack.ready["pids"].values()]
    assert logs
    assert not any(secret in text for text in [*logs, *commands])


def test_metrics_are_those_of_the_documentation(stack: RunningStack) -> None:
    """Both ways: no metric without a line in docs/metrics.md, no line without a metric, and the same labels."""
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    cells = (line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    documented = {
        name: set(filter(None, labels.split(",")))
        for cell in cells
        for name, labels in re.findall(r"`([a-z_]+)(?:\{([a-z_,]*)\})?`", cell)
    }
    exposed: set[str] = set()
    for url in stack.ready["metrics"].values():
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        exposed.update(re.findall(r"^# TYPE ((?:elbflow|swf|swfd|flow)_\w+) ", text, re.MULTILINE))
        for name, labels in re.findall(r"^((?:elbflow|swf|swfd|flow)_\w+)\{(.*)\} ", text, re.MULTILINE):
            family = next(one for one in (name, re.sub(r"_(bucket|sum|count)$", "", name)) if one in documented)
            given = set(re.findall(r'(\w+)="', labels)) - {"le"}
            assert given == documented[family], name
    assert exposed == set(documented)


def test_polling_explains_the_lanes_of_all_services(stack: RunningStack) -> None:
    views = json.loads(stack.run("polling", "--json").stdout)
    assert set(views) == {"decider", "activities", "agent"}
    assert {lane["task_list"]["kind"] for lane in views["decider"]["lanes"]} == {"decision"}
    lane, own = sorted(views["decider"]["lanes"], key=lambda one: one["lane_class"])
    assert (lane["lane_class"], own["lane_class"]) == ("decider", "decider-sticky")
    assert views["activities"]["scheduler"]["endpoint_open"] is True
    assert "polls/s" in stack.run("polling", "--list", lane["task_list"]["name"]).stdout
