"""Both ways to send, end to end: real signatures, TLS, headers of our own, and the setting that chooses."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from tests.integration.swf import bytes_server
from tests.integration.swf.bytes_server import http
from tests.integration.swf.responder import Connect, Responder

from elbflow import clock, service, swf
from elbflow.swf.fast.requests import endpoint_of
from elbflow_engine import embedded

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
TYPE = swf.TypeId("type", "1")
ONCE = swf.RetryPlan(attempts=1)
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"

both_paths = pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "stock"])


@both_paths
async def test_the_engine_verifies_signatures(fast_path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = service.StaticKeys([service.Credential("AKIDEXAMPLE", "secret-of-the-test", "111122223333", "token", True)])
    auth = service.Verifier(keys, service="swf", clock=clock.SystemClock())
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    async with embedded.engine(auth=auth) as url:
        settings = swf.ClientSettings(endpoint_url=url, fast_path=fast_path)
        async with swf.Client.open(settings) as client:
            await client.register_domain("domain", retention_days=1)
            await client.register_workflow_type("domain", TYPE, task_list="list", child_policy="TERMINATE")
            with pytest.raises(swf.AlreadyExists):
                await client.register_domain("domain", retention_days=1)
            with pytest.raises(swf.DefaultUndefined):
                await client.start_workflow_execution("domain", "w", TYPE, input="ä☃")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        async with swf.Client.open(settings, retries=ONCE) as client:
            with pytest.raises(swf.Unauthenticated):
                await client.count_pending_tasks(ACTIVITIES)


async def _certificate(directory: Path) -> Path:
    """A certificate for localhost, with its key, in one file."""
    made, key = directory / "certificate.pem", directory / "key.pem"
    await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    made.write_text(made.read_text() + key.read_text())
    return made


async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = await _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with bytes_server.serving(context) as server:
        server.answer = http(200, b'{"count": 3}')
        for fast_path in (True, False):
            settings = swf.ClientSettings(endpoint_url=server.url, fast_path=fast_path)
            monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
            async with swf.Client.open(settings, retries=ONCE) as client:
                with pytest.raises(swf.ConnectFailed, match="SSL"):
                    await client.count_pending_tasks(ACTIVITIES)
            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            async with swf.Client.open(settings, retries=ONCE) as client:
                assert await client.count_pending_tasks(ACTIVITIES) == 3
    assert b"accept-encoding: gzip" in server.heads[0].lower()
    assert len(server.heads) == 2


@both_paths
async def test_the_wish_for_a_hold_is_sent_and_signed(fast_path: bool) -> None:
    async with bytes_server.serving() as server:
        server.answer = http(200, b"{}", {"X-Swf-Capabilities": "hold-hint", "X-Swf-Backlog": "3;age=1500"})
        settings = swf.ClientSettings(endpoint_url=server.url, fast_path=fast_path)
        async with swf.Client.open(settings) as client:
            for _ in range(2):
                hints = swf.Hints()
                assert await client.poll_for_activity_task(ACTIVITIES, identity="me", hold_s=9.5, hints=hints) is None
    first, second = (head.lower() for head in server.heads)
    assert b"x-swf-max-hold" not in first
    assert b"\r\nx-swf-max-hold: 10\r\n" in second
    assert b";x-swf-max-hold," in second.partition(b"signedheaders=")[2]
    assert (hints.backlog, hints.oldest_s, hints.asked_s) == (3, 1.5, 10)


@both_paths
async def test_a_line_break_in_a_header_sends_nothing(fast_path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token\r\nX-More: 1")
    async with bytes_server.serving() as server:
        server.answer = http(200, b"{}")
        settings = swf.ClientSettings(endpoint_url=server.url, fast_path=fast_path)
        async with swf.Client.open(settings, retries=ONCE) as client:
            with pytest.raises(swf.Ambiguous, match="line break" if fast_path else None):
                await client.respond_activity_task_completed("t")
    assert server.heads == []


@pytest.fixture
async def server() -> AsyncIterator[bytes_server.BytesServer]:
    async with bytes_server.serving() as made:
        yield made


@pytest.fixture
async def client(server: bytes_server.BytesServer) -> AsyncIterator[swf.Client]:
    settings = swf.ClientSettings(endpoint_url=server.url, poll_read_timeout_s=0.1)
    async with swf.Client.open(settings, retries=ONCE) as made:
        yield made


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_that_of_the_next_call(
    server: bytes_server.BytesServer, client: swf.Client
) -> None:
    """Proxies send one when a connection is idle for too long, and some close it later."""
    server.answer = http(200, b'{"count": 1}')
    assert await client.count_pending_tasks(ACTIVITIES) == 1
    server.writers[0].write(http(200, b'{"count": 99}').data)
    await asyncio.sleep(0.05)
    server.answer = http(200, b'{"count": 2}')
    assert [await client.count_pending_tasks(ACTIVITIES) for _ in range(2)] == [2, 2]
    assert len(server.writers) == 2


async def test_the_answer_to_a_call_that_was_given_up_is_not_taken_for_that_of_the_next_one(
    server: bytes_server.BytesServer, client: swf.Client
) -> None:
    server.answer = bytes_server.Wire(b"", "hang")
    given_up = asyncio.create_task(client.count_pending_tasks(ACTIVITIES))
    async with asyncio.timeout(5):
        while not server.bodies:
            await asyncio.sleep(0.01)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    server.writers[0].write(http(200, b'{"count": 99}').data)
    server.answer = http(200, b'{"count": 2}')
    assert await client.count_pending_tasks(ACTIVITIES) == 2


async def test_an_informational_answer_is_none(server: bytes_server.BytesServer, client: swf.Client) -> None:
    server.answer = bytes_server.Wire(HINTS + HINTS + http(200, b'{"count": 1}').data)
    assert [await client.count_pending_tasks(ACTIVITIES) for _ in range(2)] == [1, 1]
    assert len(server.writers) == 1


async def test_a_poll_ends_when_nothing_follows_an_informational_answer(
    server: bytes_server.BytesServer, client: swf.Client
) -> None:
    """aiohttp stops its clock with it, as with any answer that has no body: the poll waited for ever."""
    server.answer = bytes_server.Wire(HINTS, "hang")
    async with asyncio.timeout(5):
        with pytest.raises(swf.Ambiguous, match="Read timeout"):
            await client.poll_for_activity_task(ACTIVITIES, identity="me")


async def test_the_setting_chooses_the_path(connect: Connect, responder: Responder) -> None:
    for fast_path in (True, False):
        async with connect(fast_path=fast_path) as client:
            await client.respond_activity_task_completed("t")
    fast, stock = responder.headers
    assert "amz-sdk-invocation-id" not in fast
    assert "amz-sdk-invocation-id" in stock
    for name in ("X-Amz-Target", "Content-Type", "User-Agent", "Host", "Accept-Encoding"):
        assert fast[name] == stock[name]
    assert (fast["Content-Length"], stock["Content-Length"]) == (
        str(len('{"taskToken":"t"}')),
        str(len('{"taskToken": "t"}')),
    )


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://swf.eu-west-1.amazonaws.com/"),
        ("us-gov-west-1", "https://swf.us-gov-west-1.amazonaws.com/"),
        ("cn-north-1", "https://swf.cn-north-1.amazonaws.com.cn/"),
    ],
)
async def test_requests_go_where_botocore_would_send_them(region: str, url: str) -> None:
    config = AioConfig(user_agent="me")
    async with AioSession().create_client("swf", region_name=region, config=config) as client:
        endpoint = await endpoint_of(client)
    assert endpoint.url == url
    assert endpoint.user_agent.startswith("me ")


async def test_a_proxy_turns_it_off_with_one_line(
    responder: Responder, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", responder.url)
    monkeypatch.setenv("no_proxy", "")
    with structlog.testing.capture_logs() as logs:
        async with connect() as client:
            await client.respond_activity_task_completed("t")
    assert [entry["event"] for entry in logs] == ["swf_fast_path_off"]
    assert "amz-sdk-invocation-id" in responder.headers[0]
