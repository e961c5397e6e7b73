"""A VM with the floppy that its cloud attached, before an IAM that answers as the original did."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import prometheus_client
import pytest
from aiohttp import web
from botocore.credentials import ReadOnlyCredentials
from tests.unit.agent.certificates.conftest import Recorded

from elbflow import clock, service, signers
from elbflow.swf import credentials
from elbflow_agent.certificates import credential, meters, opening, sources
from elbflow_agent.certificates.model import Bundle, Missing
from elbflow_agent.settings import VmSettings


class Original:
    """An IAM of the original that has one answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[dict[str, str]] = []
        self.authorizations: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        self.authorizations.append(request.headers["Authorization"])
        return web.Response(text=self.answer, content_type="text/xml")


@contextlib.asynccontextmanager
async def listening(original: Original) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/services/Euare/", original.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"{service.url_of(*runner.addresses[0][:2])}/services/Euare/"
    finally:
        await runner.cleanup()


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "ASIAROLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)


def settings(endpoint: str, tmp_path: Path, keys_dir: Path) -> VmSettings:
    return VmSettings(
        agent_run_dir=tmp_path,
        agent_redis_socket=tmp_path / "redis.sock",
        agent_haproxy="true",
        agent_instance_id="i-1",
        agent_address="127.0.0.1",
        agent_iam_endpoint=endpoint,
        agent_keys_dir=keys_dir,
        agent_credential_file=tmp_path / "credential",
    )


@pytest.mark.usefixtures("role", "may_block")
async def test_a_vm_of_the_original_cloud_gets_its_certificate(recorded: Recorded, tmp_path: Path) -> None:
    original, arn = Original(recorded.values["answer_original"]), recorded.values["arn"]
    keys_dir = Path("/dev/shm") / f"elbflow-test-{os.getpid()}"
    async with listening(original) as endpoint:
        given = settings(endpoint, tmp_path, keys_dir)
        try:
            async with opening.of_vm(given, prometheus_client.CollectorRegistry(), clock.SystemClock()) as had:
                assert had is not None
                assert had.key_directory == keys_dir / "i-1" / "listeners"
                await had.source.want(frozenset({arn}))
                found = had.source.bundle(arn)
                assert isinstance(found, Missing)
                assert "the VM has no credential" in found.reason
                (tmp_path / "credential").write_text(recorded.values["floppy"] + "\0" * 100)
                await had.source.want(frozenset())
                await had.source.want(frozenset({arn}))
                assert had.source.bundle(arn) == Bundle.of(arn, recorded.bundle)
        finally:
            keys_dir.rmdir()
    (asked,) = original.asked
    assert asked["Action"] == "DownloadServerCertificate"
    assert asked["AuthSignature"] == "NULL"
    (authorization,) = original.authorizations
    assert "/iam/aws4_request" in authorization
    assert "x-amz-security-token" in authorization


@pytest.mark.usefixtures("may_block")
async def test_without_a_credential_or_an_iam_there_are_no_certificates(tmp_path: Path) -> None:
    given = settings("http://127.0.0.1:1/services/Euare/", tmp_path, tmp_path)
    for without in ({"agent_iam_endpoint": None}, {"agent_credential_file": None}):
        changed = given.model_copy(update=without)
        async with opening.of_vm(changed, prometheus_client.CollectorRegistry(), clock.SystemClock()) as had:
            assert had is None


async def test_a_medium_is_read_once(recorded: Recorded, tmp_path: Path) -> None:
    path = tmp_path / "credential"
    path.write_text(recorded.values["floppy"])
    registry = prometheus_client.CollectorRegistry()
    held = sources.CredentialFile(path, meters.Meters(registry))
    first = await held.get()
    path.write_bytes(b"blank")
    assert await held.get() is first
    assert registry.get_sample_value("elbflow_agent_delegation_certificates_expiring") == 0
    assert not held.refused()
    with pytest.raises(credential.UnusableCredential):
        await held.get()


async def test_the_process_asks_the_chain_again_when_its_keys_end_or_are_refused() -> None:
    time, asked = clock.ManualClock(), []

    def chain(profile: str | None) -> credentials.Found | None:
        asked.append(profile)
        if len(asked) == 4:
            return None
        return credentials.Found(ReadOnlyCredentials(f"key-{len(asked)}", "s", None), "role", time.now() + 3600)

    role = signers.OwnKeys(time, chain)
    assert [(await role.keys()).access_key for _ in range(2)] == ["key-1", "key-1"]
    await time.advance(3500)
    assert (await role.keys()).access_key == "key-2"
    role.refused()
    assert (await role.keys()).access_key == "key-3"
    role.refused()
    with pytest.raises(signers.NoKeys, match="no AWS credentials"):
        await role.keys()
