"""Which HAProxys the agent starts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from elbflow_agent import __main__ as command
from elbflow_agent.haproxy import version


def program(directory: Path, says: str) -> str:
    path = directory / "haproxy"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("says", "found"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/15 - https://haproxy.org/", "2.6.12-1+deb12u4"),
        ("HAProxy version 3.0.11 2025/06/03", "3.0.11"),
        ("HAProxy version 2.10-dev1 2025/06/03", "2.10-dev1"),
    ],
)
def test_these_will_do(tmp_path: Path, says: str, found: str) -> None:
    assert version.require(program(tmp_path, says)) == found


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("HA-Proxy version 2.2.9-2 2021/02/06", "is HAProxy 2.2, which cannot add servers at run time; install 2.6"),
        ("HA-Proxy version 1.8.30", "is HAProxy 1.8"),
        ("nginx version: 1.2", "does not say that it is an HAProxy"),
    ],
)
def test_these_will_not(tmp_path: Path, says: str, reason: str) -> None:
    with pytest.raises(version.Unsuitable, match=reason):
        version.require(program(tmp_path, says))


def test_an_agent_says_why_it_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = program(tmp_path, "HA-Proxy version 2.4.0")
    words = ["run", "--run-dir", str(tmp_path), "--redis-socket", str(tmp_path / "redis.sock"), "--haproxy", old]
    assert command.main([*words, "--instance-id", "i-1", "--address", "127.0.0.1"]) == 2
    assert "is HAProxy 2.4, which cannot add servers at run time" in capsys.readouterr().err
    with pytest.raises(version.Unsuitable, match="does not tell its version"):
        version.require(str(tmp_path))
