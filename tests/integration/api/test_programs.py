"""Real processes: the service as its console script starts it, and the AWS CLI against it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.api.conftest import KEY, Elb, House, open_house

from elbflow.service import lifecycle

AWS = Path(sys.executable).parent / "aws"


async def aws(url: str, *arguments: str, expect: int = 0) -> Any:
    """Run the AWS CLI; its output as JSON, or what it says when it fails."""
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEY.access_key_id, "AWS_SECRET_ACCESS_KEY": KEY.secret_access_key}
    process = await asyncio.create_subprocess_exec(
        str(AWS),
        *("elb", *arguments, "--endpoint-url", url, "--region", "us-east-1", "--output", "json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == expect, (out, err)
    if expect:
        return err.decode()
    return json.loads(out) if out.strip() else None


async def test_the_aws_cli(house: House) -> None:
    url = house.api.url
    listener = "Protocol=HTTP,LoadBalancerPort=80,InstanceProtocol=HTTP,InstancePort=8000"
    created = await aws(
        url,
        *("create-load-balancer", "--load-balancer-name", "cli", "--listeners", listener),
        *("--availability-zones", "local-1a", "local-1b"),
    )
    assert created["DNSName"].startswith("cli-")
    shown = await aws(url, "describe-load-balancers", "--load-balancer-names", "cli")
    assert shown["LoadBalancerDescriptions"][0]["AvailabilityZones"] == ["local-1a", "local-1b"]
    refused = await aws(url, "describe-instance-health", "--load-balancer-name", "none", expect=255)
    assert "(LoadBalancerNotFound)" in refused
    assert "There is no ACTIVE Load Balancer named 'none'" in refused


@contextlib.asynccontextmanager
async def service(house: House, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """``elbflow-api serve`` as a process, and where it listens."""
    environment = os.environ | {
        "ELBFLOW_STORE_URL": house.settings.store_url,
        "ELBFLOW_SWF_ENDPOINT": str(house.settings.swf_endpoint),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "elbflow_api", "serve", "--port", "0", *options),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process, await _urls(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _urls(process: asyncio.subprocess.Process) -> dict[str, str]:
    assert process.stderr is not None
    urls: dict[str, str] = {}
    async with asyncio.timeout(30):
        while len(urls) < 2:
            line = json.loads(await process.stderr.readline())
            if line["event"] in ("serving", "admin_serving"):
                urls[line["event"]] = line["url"]
    return urls


async def test_the_service_as_a_process(store_url: str) -> None:
    async with (
        open_house(store_url) as house,
        service(house, "--auth", "static") as (process, urls),
        aiohttp.ClientSession() as session,
    ):
        elb = Elb(urls["serving"], KEY.access_key_id, KEY.secret_access_key)
        assert (await elb.create("web"))["DNSName"].startswith("web-")
        async with asyncio.timeout(10):
            while True:
                async with session.get(f"{urls['admin_serving']}/readyz") as ready:
                    if ready.status == 200:
                        break
                await asyncio.sleep(0.1)
        async with session.get(f"{urls['admin_serving']}/metrics") as answer:
            metrics = await answer.text()
        assert re.search(r'^elbflow_api_requests_total\{action="CreateLoadBalancer",code="OK"\} 1\.0$', metrics, re.M)
        house.shop.hold["slow"] = asyncio.Event()
        waiting = asyncio.create_task(elb.create("slow"))
        await house.first_open("CreateLoadBalancer")
        process.send_signal(signal.SIGTERM)
        with pytest.raises(Exception, match="ServiceUnavailable"):
            await waiting
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        house.shop.hold.pop("slow").set()


async def test_a_store_that_was_not_migrated(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "elbflow_api", "serve", "--store", f"sqlite+aiosqlite:///{tmp_path}/new.sqlite"),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == lifecycle.EXIT_UNUSABLE
    assert b"elbflow store migrate" in err
    assert b"Traceback" not in err


async def test_a_profile_that_there_is_not_is_told_in_one_line(store_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "elbflow_api", "serve", "--store", store_url),
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(sys.path), "ELBFLOW_CLOUD": "aws", "ELBFLOW_CLOUD_PROFILE": "nobody"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == lifecycle.EXIT_UNUSABLE
    assert b"profile (nobody) could not be found" in err
    assert b"Traceback" not in err
