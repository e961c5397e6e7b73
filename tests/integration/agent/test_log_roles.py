"""Access logs of a host's VMs are stored with their load balancers' roles, where the host is told to."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from elbflow import clock
from elbflow.contract import document, names
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.accesslog import spool
from elbflow_agent.host import log_keys
from elbflow_agent.settings import HostSettings

WEB, SHOP = document.LoadBalancerKey("000000000001", "web"), document.LoadBalancerKey("000000000002", "shop")
LINE = (
    b'["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
    b"{|||||test||} {0|} GET / HTTP/1.1\n"
)


class Services:
    """An STS and an S3 on one port; each role's key is its name."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.stored: dict[str, str] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if "100-continue" in head:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        lower = head.lower()
        body = await reader.readexactly(int(lower.partition("content-length: ")[2].split("\r\n")[0]))
        answer = self._assume(body) if head.startswith("POST") else self._put(head)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode())
        writer.close()

    def _assume(self, body: bytes) -> str:
        form = parse_qs(body.decode())
        self.sessions += form["RoleSessionName"]
        key = form["RoleArn"][0].rpartition("/")[2]
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return (
            f"<R><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends}</Expiration></Credentials></R>"
        )

    def _put(self, head: str) -> str:
        bucket = head.split("/")[1]
        self.stored[bucket] = head.partition("Credential=")[2].partition("/")[0]
        return ""


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("with_roles", [True, False])
async def test_uploads_from_a_host_use_the_role_of_the_vm_and_not_the_hosts_own_keys(
    tmp_path: Path, with_roles: bool
) -> None:
    services = Services()
    server = await asyncio.start_server(services.serve, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = await asyncio.to_thread(
        given, tmp_path, agent_sts_endpoint=f"{endpoint}/", agent_log_roles=with_roles, s3_endpoint=endpoint
    )
    await asyncio.to_thread(_left_behind, settings.shipping.spool)
    async with (
        server,
        log_keys.opened(settings, clock.SystemClock()) as signers,
        accesslog.shipping(
            settings.shipping,
            time=clock.SystemClock(),
            rng=random.Random(),
            instruments=meters.Meters(),
            last_s=5.0,
            signers=signers,
        ),
    ):
        pass
    roles = {key.name: names.role_name(key) if with_roles else "own" for key in (WEB, SHOP)}
    assert services.stored == roles
    assert services.sessions == [log_keys.SESSION_NAME] * (2 if with_roles else 0), "once for both parts of web"


def _left_behind(directory: Path) -> None:
    """Finished parts, two of one load balancer and one of another, each in a bucket of its name."""
    directory.mkdir()
    for number, key in enumerate((WEB, WEB, SHOP)):
        header = spool.Header(accesslog.Destination(key.account, key.name, key.name, "", 5), f"key-{number}", 300)
        text = spool._HEADER.dump_json(header) + b"\n" + LINE
        (directory / f"i-{number}.300-x.ready").write_bytes(text)


def test_roles_need_somebody_who_gives_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="agent_sts_endpoint"):
        given(tmp_path, agent_log_roles=True)


def given(directory: Path, **values: Any) -> HostSettings:
    base = {"agent_run_dir": directory, "agent_redis_socket": directory / "r", "agent_token_file": directory / "t"}
    return HostSettings(**{**base, "agent_haproxy": "true", **values})
