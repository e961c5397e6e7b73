"""The ready file, ``elbflow env`` with the real AWS CLI, and errors as users meet them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.e2e import tls
from tests.e2e.stacks import SCRIPTS, RunningStack, eventually, until
from tests.unit.api.iam.conftest import issue

from elbflow_agent.accesslog.naming import interval_end
from elbflow_standalone import aws


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


def test_a_support_bundle_of_a_running_stack(stack: RunningStack, tmp_path: Path) -> None:
    output = tmp_path / "bundle.tar.gz"
    said = stack.run("support-bundle", "--output", str(output))
    assert "lacking" not in said.stderr
    with tarfile.open(output) as tar:
        found = {each.name.partition("/")[2]: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    assert found.keys() >= {"settings.json", "metrics/engine.txt", "polling/agent.json", "logs/agent.log"}
    assert set(json.loads(found["status.json"])) == set(stack.ready["pids"])
    keys = [each["secret_access_key"] for each in json.loads(stack.where.keys_file.read_text())["keys"]]
    words = [*keys, stack.where.token_file.read_text(), stack.where.master_key_file.read_text().strip()]
    assert not [name for name, text in found.items() for word in words if word.encode() in text]


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


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("may_block")
async def test_certificates_are_exchanged_without_a_failed_request(stack: RunningStack) -> None:
    """Uploaded by boto3 and served over TLS; another one, a new name and a new content for it fail no request."""
    authority, iam, elb = issue("authority"), aws.client(stack.where, "iam"), stack.elb()
    first, second = [await asyncio.to_thread(tls.upload, iam, name, authority) for name in ("one", "two")]
    backend = await asyncio.to_thread(stack.add_instance, "i-secure", 3)
    await backend.start()
    try:
        await asyncio.to_thread(_create_https, elb, first)
        await asyncio.to_thread(stack.in_service, "secure", "i-secure")
        address, _ = await asyncio.to_thread(stack.wait_served, "secure")
        async with tls.clients(address, 8443, authority) as seen:
            await until(lambda: seen.answers["one"] > 20, 20, "answers over TLS")
            change = {"LoadBalancerName": "secure", "LoadBalancerPort": 8443, "SSLCertificateId": second}
            await asyncio.to_thread(elb.set_load_balancer_listener_ssl_certificate, **change)
            await until(lambda: seen.answers["two"] > 20, 20, "answers with the other certificate")
            renamed = {"ServerCertificateName": "two", "NewServerCertificateName": "renamed"}
            await asyncio.to_thread(iam.update_server_certificate, **renamed)
            await asyncio.to_thread(stack.wait_served, "secure")
            await tls.replace_content(stack, second.replace("/two", "/renamed"), "three", authority)
            await until(lambda: seen.answers["three"] > 20, 20, "answers with the new content")
        assert not seen.failures
        assert set(seen.answers) == {"one", "two", "three"}
        assert await asyncio.to_thread(tls.with_private_keys, stack.data_dir, stack.where.run_dir) == []
    finally:
        await backend.stop()
        await asyncio.to_thread(elb.delete_load_balancer, LoadBalancerName="secure")


def _create_https(elb: aws.Client, certificate: str) -> None:
    listener = {"Protocol": "HTTPS", "LoadBalancerPort": 8443, "InstanceProtocol": "HTTP", "InstancePort": 8000}
    listener["SSLCertificateId"] = certificate
    elb.create_load_balancer(LoadBalancerName="secure", Listeners=[listener], AvailabilityZones=["local-1a"])
    check = {"Target": "HTTP:8000/", "Interval": 5, "Timeout": 2, "UnhealthyThreshold": 2, "HealthyThreshold": 2}
    elb.configure_health_check(LoadBalancerName="secure", HealthCheck=check)
    elb.register_instances_with_load_balancer(LoadBalancerName="secure", Instances=[{"InstanceId": "i-secure"}])


def access_log(stack: RunningStack, name: str, *, enabled: bool) -> None:
    chosen: dict[str, object] = {"Enabled": enabled}
    if enabled:
        chosen |= {"S3BucketName": "my-logs", "S3BucketPrefix": "web", "EmitInterval": 5}
    stack.elb().modify_load_balancer_attributes(LoadBalancerName=name, LoadBalancerAttributes={"AccessLog": chosen})


def test_access_logs_are_enabled_filled_and_flushed(stack: RunningStack) -> None:
    stack.create("logged")
    access_log(stack, "logged", enabled=True)
    address, (port,) = stack.wait_served("logged")
    assert stack.show("logged")["addresses"] == [
        {"address": address, "port": port, "protocol": "HTTP", "zone": "local-1a"}
    ]
    bucket = stack.where.access_log_dir / "my-logs" / "web" / "AWSLogs"
    (test_file,) = bucket.glob("*/ELBAccessLogTestFile")
    account = test_file.parent.name
    intervals = {interval_end(time.time(), 5)}
    for number in range(3):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://{address}:{port}/page-{number}", timeout=5)
    access_log(stack, "logged", enabled=False)
    objects: list[Path] = []
    lines: list[str] = []

    def stored() -> bool:
        objects[:] = sorted((bucket / account / "elasticloadbalancing").rglob("*.log"))
        lines[:] = [line for one in objects for line in one.read_text().splitlines()]
        return len(lines) >= 3

    eventually(stored, 10, "three lines in log objects", lambda: lines)
    intervals.add(interval_end(time.time(), 5))
    assert len(objects) <= len(intervals)
    assert all(one.name.startswith(f"{account}_elasticloadbalancing_") for one in objects)
    assert all("_logged_" in one.name for one in objects)
    assert [line.split('"')[1] for line in lines] == [
        f"GET http://{address}:{port}/page-{number} HTTP/1.1" for number in range(3)
    ]
    assert all(" - -1 -1 -1 503 0 0 0 " in line for line in lines)
    stack.elb().delete_load_balancer(LoadBalancerName="logged")
