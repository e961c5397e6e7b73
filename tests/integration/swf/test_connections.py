"""Credentials come from the usual places, and sockets are set up to notice a vanished peer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.integration.swf.responder import Connect, Responder

from elbflow import swf
from elbflow.swf.sockets import keepalive_socket

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")


def signer(responder: Responder) -> str:
    """The access key that signed the last request."""
    return responder.headers[-1]["Authorization"].partition("Credential=")[2].partition("/")[0]


async def test_environment_credentials_sign_for_the_configured_region(connect: Connect, responder: Responder) -> None:
    async with connect(region="eu-west-3") as client:
        await client.respond_activity_task_completed("t")
    assert signer(responder) == "AKIDEXAMPLE"
    assert "/eu-west-3/swf/aws4_request" in responder.headers[-1]["Authorization"]


async def test_profile_of_the_shared_credentials_file(
    connect: Connect, responder: Responder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    text = "[default]\naws_access_key_id=AKDEFAULT\naws_secret_access_key=a\n"
    text += "[agent]\naws_access_key_id=AKAGENT\naws_secret_access_key=b\naws_session_token=c\n"
    (tmp_path / "credentials").write_text(text)
    async with connect(profile="agent") as client:
        await client.respond_activity_task_completed("t")
    assert signer(responder) == "AKAGENT"
    assert responder.headers[-1]["X-Amz-Security-Token"] == "c"


async def test_connections_are_reused(connect: Connect, responder: Responder) -> None:
    responder.release.set()
    async with connect() as client:
        for _ in range(5):
            assert await client.poll_for_activity_task(ACTIVITIES, identity="me") is None
    assert len(responder.peers) == 1


def test_keepalive_finds_a_dead_peer_within_fifty_seconds() -> None:
    with keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))) as made:
        tcp = socket.IPPROTO_TCP
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(tcp, socket.TCP_NODELAY) == 1
        idle, interval, probes = (
            made.getsockopt(tcp, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        patience_s = made.getsockopt(tcp, socket.TCP_USER_TIMEOUT) / 1000
        assert idle + interval * (probes - 1) < patience_s, "the answer to the third probe must still be waited for"
        assert patience_s < idle + interval * probes <= 47, "the kernel's timers are up to 2 s late"


async def test_connections_to_the_endpoint_use_that_socket(
    connect: Connect, responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    def counted(address: tuple[object, ...]) -> socket.socket:
        made.append(keepalive_socket(address))
        return made[-1]

    monkeypatch.setattr("elbflow.swf.endpoint_client.keepalive_socket", counted)
    async with connect() as client:
        await client.respond_activity_task_completed("t")
        assert [item.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for item in made] == [1]


@pytest.mark.parametrize("settings", [{"poll_connections": 0}, {"data_connections": 0}])
def test_pools_need_connections(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        swf.ClientSettings(**settings)  # type: ignore[arg-type]
