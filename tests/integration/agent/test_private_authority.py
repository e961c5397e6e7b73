"""Services with certificates of an authority of the cloud's own: refused, unless ``agent_ca_bundle`` names it.

With the image's environment, in which no library reads the system's certificates by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import prometheus_client
import pytest
from botocore.credentials import ReadOnlyCredentials
from tests.integration.agent.conftest import RedisServer, free_port

from elbflow import clock, errors, objects, service, swf
from elbflow.contract import names
from elbflow_agent import trust
from elbflow_agent.certificates import calls, meters, opening
from elbflow_agent.settings import AgentSettings
from elbflow_engine import embedded

KEYS = ReadOnlyCredentials("AKIDEXAMPLE", "secret", None)


def authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A private one's certificate, and what a server of its has."""
    ca, ca_key, leaf, key = (directory / name for name in ("ca.pem", "ca.key", "leaf.pem", "leaf.key"))
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    signed = ("-CA", ca, "-CAkey", ca_key, "-addext", "subjectAltName=IP:127.0.0.1")
    no_ca = ("-addext", "basicConstraints=critical,CA:FALSE")
    for words in (
        ("-subj", "/CN=the cloud", "-keyout", ca_key, "-out", ca),
        ("-subj", "/CN=service", *no_ca, *signed, "-keyout", key, "-out", leaf),
    ):
        subprocess.run([*new, *map(str, words)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    return ca, context


@pytest.fixture(scope="module")
def cloud() -> Iterator[tuple[Path, ssl.SSLContext]]:
    with tempfile.TemporaryDirectory() as directory:
        yield authority(Path(directory))


@pytest.fixture(autouse=True)
def as_in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """And afterwards the variable is again what it was."""
    monkeypatch.setenv(trust.VARIABLE, "")
    monkeypatch.delenv(trust.VARIABLE)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_key)


@contextlib.asynccontextmanager
async def answering(context: ssl.SSLContext) -> AsyncIterator[str]:
    """The URL of a server that says yes to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<a/>")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@contextlib.asynccontextmanager
async def in_front_of(url: str, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The URL of what takes TLS off and passes all on to ``url``."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        server.close()


async def test_iam_sts_and_s3_of_a_private_authority(cloud: tuple[Path, ssl.SSLContext]) -> None:
    bundle, context = cloud
    instruments = meters.Meters(prometheus_client.CollectorRegistry())
    async with answering(context) as url:

        async def ask() -> bytes:
            rng, time = random.Random(1), clock.SystemClock()
            async with opening.exchange(url, "here", time=time, rng=rng, instruments=instruments) as exchange:
                return await exchange.calls.post(url, "iam", {"Action": "Something"}, KEYS)

        async def store() -> None:
            async with objects.S3Objects("us-east-1", url) as s3:
                await s3.put("bucket", "key", b"lines")

        with pytest.raises(calls.Unreachable, match="certificate verify failed"):
            await ask()
        with pytest.raises(errors.Retryable, match="certificate verify failed"):
            await store()
        trust.pin(bundle)
        assert await ask() == b"<a/>"
        await store()
        assert isinstance(trust.context("http://iam.example.org/", url), ssl.SSLContext), "one of them suffices"
        assert trust.context("http://iam.example.org/") is True, "nothing is read for nobody"


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for text in ("", "no certificate"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"ca\.pem has no certificates that can be used"):
            AgentSettings(agent_run_dir=tmp_path, agent_redis_socket=tmp_path, agent_haproxy="sh", agent_ca_bundle=file)


async def test_the_worker_of_a_vm_polls_an_swf_of_a_private_authority(
    cloud: tuple[Path, ssl.SSLContext], broker: RedisServer, short_dir: Path
) -> None:
    """By what its user data says."""
    bundle, context = cloud
    async with embedded.engine() as plain, in_front_of(plain, context) as url:
        settings = swf.ClientSettings(endpoint_url=plain, region="eucalyptus")
        async with swf.Client.open(settings) as client:
            await client.register_domain(names.DOMAIN, retention_days=1)
        untold = dataclasses.replace(settings, endpoint_url=url)
        async with swf.Client.open(untold, retries=swf.RetryPlan(attempts=1)) as client:
            with pytest.raises(swf.ConnectFailed, match="certificate verify failed"):
                await client.register_domain(names.DOMAIN, retention_days=1)
        said = f"simpleworkflow_service_url={url}\nswf_endpoint_kind=local\nagent_instance_id=i-1\n"
        said += f"agent_address=127.0.0.1\nagent_haproxy=sh\nagent_ca_bundle={bundle}\n"
        conf, port = short_dir / "servo.conf", free_port("127.0.0.1")
        conf.write_text(said)
        command = [str(Path(sys.executable).with_name("elbflow-agent")), "run", "--role", "worker"]
        command += ["--run-dir", str(short_dir), "--redis-socket", str(broker.socket)]
        command += ["--servo-conf", str(conf), "--admin-port", str(port)]
        async with contextlib.AsyncExitStack() as stack:
            agent = await asyncio.create_subprocess_exec(*command)
            stack.push_async_callback(_stop, agent)
            async with asyncio.timeout(30):
                while not (answer := await _page(port, "readyz")).startswith("200"):
                    assert agent.returncode is None, answer
                    await asyncio.sleep(0.05)
            # Every task that it takes says in its history which version did.
            assert f"agent/{service.VERSION}:" in await _page(port, "debug/polling")


async def _stop(agent: asyncio.subprocess.Process) -> None:
    agent.send_signal(signal.SIGKILL)
    await agent.wait()


async def _page(port: int, path: str) -> str:
    def ask() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                return f"{answer.status} {answer.read().decode()}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"
        except OSError as error:
            return repr(error)

    return await asyncio.to_thread(ask)
