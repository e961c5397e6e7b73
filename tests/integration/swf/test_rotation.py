"""Credentials that change while polls are parked, and clocks that disagree (spec/swf-long-poll-scale 5.10)."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.integration.swf.responder import Connect, Responder, fault, ok

from elbflow import clock as clocks
from elbflow import polling, swf
from elbflow.service.sigv4.model import Credential
from elbflow.service.sigv4.verifier import Verifier
from elbflow.swf import credentials
from elbflow_engine import embedded

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
LIFE_S = 2.0


@pytest.fixture
def shared_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    write(file, "OLD")
    return file


def write(file: Path, key: str) -> None:
    """Replace the file as tools do that rotate keys."""
    made = file.with_suffix(".new")
    made.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=s\n")
    made.replace(file)


def signer(responder: Responder) -> str:
    return responder.headers[-1]["Authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize("fast_path", [True, False])
async def test_a_replaced_file_is_read_again(
    connect: Connect, responder: Responder, shared_file: Path, monkeypatch: pytest.MonkeyPatch, fast_path: bool
) -> None:
    monkeypatch.setattr(credentials, "LOOK_EVERY_S", 0.05)
    async with connect(fast_path=fast_path) as client, asyncio.timeout(10):
        await client.respond_activity_task_completed("t")
        assert signer(responder) == "OLD"
        write(shared_file, "NEW")
        while signer(responder) == "OLD":
            await asyncio.sleep(0.02)
            await client.respond_activity_task_completed("t")
    assert signer(responder) == "NEW"


@pytest.mark.parametrize("fast_path", [True, False])
async def test_a_refused_poll_is_sent_once_more_with_the_new_key(
    connect: Connect, responder: Responder, shared_file: Path, registry: CollectorRegistry, fast_path: bool
) -> None:
    async def only_new(_: dict[str, Any], request: web.Request) -> web.Response:
        is_new = "Credential=NEW/" in request.headers["Authorization"]
        return ok({"startedEventId": 0}) if is_new else fault("UnrecognizedClientException", status=403)

    responder.on("PollForActivityTask", only_new)
    async with connect(fast_path=fast_path) as client:
        write(shared_file, "NEW")
        polls = [client.poll_for_activity_task(ACTIVITIES, identity="me") for _ in range(5)]
        assert await asyncio.gather(*polls) == [None] * 5
        assert responder.calls["PollForActivityTask"] == 10
        assert registry.get_sample_value("swf_cred_refresh_total", {"result": "ok"}) == 1


async def test_keys_that_stay_wrong_are_not_asked_for_again_and_again(
    connect: Connect, responder: Responder, registry: CollectorRegistry
) -> None:
    responder.on("PollForActivityTask", fault("InvalidClientTokenId", status=403))
    async with connect() as client:
        for _ in range(4):
            with pytest.raises(swf.Unauthenticated):
                await client.poll_for_activity_task(ACTIVITIES, identity="me")
    assert responder.calls["PollForActivityTask"] == 4
    assert registry.get_sample_value("swf_cred_refresh_total", {"result": "unchanged"}) == 1


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("skew_s", [-7200.0, 7200.0])
async def test_the_time_of_the_endpoint_is_learned(
    connect: Connect, responder: Responder, skew_s: float, fast_path: bool
) -> None:
    signed_at: list[float] = []

    async def strict(_: dict[str, Any], request: web.Request) -> web.Response:
        there = time.time() + skew_s
        stamp = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        signed_at.append(stamp - there)
        answer = ok({"count": 3})
        if abs(stamp - there) > 300:
            answer = fault("InvalidSignatureException", "Signature expired: too early")
        answer.headers["Date"] = email.utils.formatdate(there, usegmt=True)
        return answer

    responder.on("CountPendingActivityTasks", strict)
    with structlog.testing.capture_logs() as logs:
        async with connect(fast_path=fast_path) as client:
            for _ in range(3):
                assert await client.count_pending_tasks(ACTIVITIES) == 3
    assert responder.calls["CountPendingActivityTasks"] == 4, "one call was repeated, once"
    assert all(abs(off) < 5 for off in signed_at[1:])
    assert [entry["event"] for entry in logs] == ["swf_clock_skew"]


class Authority:
    """Issues session credentials that live for two seconds, to a file and to the engine (B18)."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._until: dict[str, float] = {}
        self.refused: list[str] = []

    async def find(self, access_key_id: str) -> Credential | None:
        if time.time() < self._until.get(access_key_id, 0.0):
            return Credential(access_key_id, "secret", "123456789012", f"token-{access_key_id}")
        self.refused.append(access_key_id)
        return None

    def issue(self) -> None:
        key = f"KEY{len(self._until)}"
        until = self._until[key] = time.time() + LIFE_S
        made = {
            "Version": 1,
            "AccessKeyId": key,
            "SecretAccessKey": "secret",
            "SessionToken": f"token-{key}",
            "Expiration": datetime.fromtimestamp(until, UTC).isoformat(),
        }
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(made))
        new.replace(self._file)

    async def keep_issuing(self) -> None:
        while True:
            await asyncio.sleep(LIFE_S / 8)
            await asyncio.to_thread(self.issue)


@contextmanager
def expiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """Credentials from a program, as ``credential_process`` of the AWS configuration names it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    issued = tmp_path / "issued.json"
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[default]\ncredential_process = cat {issued}\n")
    authority = Authority(issued)
    authority.issue()
    yield authority


async def test_credentials_that_live_two_seconds_cost_no_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: CollectorRegistry, may_block: None
) -> None:
    """Ten lanes poll for four lives of the credentials; parked polls outlive theirs (B18)."""
    with expiring(tmp_path, monkeypatch) as authority:
        checks = Verifier(authority, service="swf", clock=clocks.SystemClock())
        issuing = asyncio.ensure_future(authority.keep_issuing())
        async with (
            embedded.engine(auth=checks, hold_s=3.0) as engine,
            swf.Client.open(swf.ClientSettings(endpoint_url=engine), registry=registry) as client,
        ):
            await client.register_domain("domain", retention_days=1)
            async with polling.Scheduler(
                client,
                profile=polling.EndpointProfile.local(),
                identity="test",
                budget=20,
                metrics=polling.Metrics(registry),
                rng=random.Random(1),
            ) as scheduler:
                for number in range(10):
                    task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"list-{number}")
                    scheduler.add_lane(task_list, _never, slots=1, lane_class="vm")
                for _ in range(60):
                    await asyncio.sleep(LIFE_S / 20)
                    await client.count_pending_tasks(ACTIVITIES)
        issuing.cancel()
    results = {
        sample.labels["outcome"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "swf_poll_results_total"
    }
    assert set(results) <= {"empty", "early", "aborted"}, "no poll failed, not even after its one repetition"
    assert results.get("empty", 0) + results.get("early", 0) >= 10
    assert (registry.get_sample_value("swf_cred_refresh_total", {"result": "ok"}) or 0) >= 4


async def _never(task: swf.ActivityTask) -> None:
    raise AssertionError(f"no task was scheduled, but {task.activity_id} came")
