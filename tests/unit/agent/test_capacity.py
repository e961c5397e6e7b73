"""How many connections a VM's HAProxy may have, by memory (spec/vm-agent-data-plane no. 70)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elbflow_agent import capacity
from elbflow_agent.settings import HostSettings, VmSettings

MIB = 1024 * 1024
BASE = {"agent_run_dir": "/run/x", "agent_redis_socket": "/run/r", "agent_haproxy": "true"}
VM: dict[str, Any] = {**BASE, "agent_instance_id": "i-1", "agent_address": "127.0.0.1"}


@pytest.mark.parametrize(
    ("mebibytes", "connections"),
    [(0, 1000), (64, 1000), (128, 1000), (256, 2000), (500, 4000), (512, 4000), (1024, 8000), (16384, 100_000)],
)
def test_connections_follow_memory(mebibytes: int, connections: int) -> None:
    assert capacity.connections(mebibytes * MIB) == connections


def test_unknown_memory_is_no_reason_to_serve_nobody() -> None:
    assert capacity.connections(None) == 4000


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": "MemTotal:        2097152 kB\nMemFree: 12 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "mebibytes"),
    [
        ({}, 2048),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 2048),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": f"{512 * MIB}\n"}, 512),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{768 * MIB}\n"}, 768),
        ({"proc/self/cgroup": "4:memory:/x\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{600 * MIB}\n"}, 600),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2048),
        ({"proc/self/cgroup": "nonsense\n"}, 2048),
    ],
)
def test_a_control_group_may_have_less_than_the_machine(tmp_path: Path, files: dict[str, str], mebibytes: int) -> None:
    assert capacity.memory(machine(tmp_path, files)) == mebibytes * MIB


def test_no_machine_is_known_nothing_of(tmp_path: Path) -> None:
    assert capacity.memory(tmp_path) is None


def test_a_vm_of_its_own_follows_its_memory_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "memory", lambda: 1024 * MIB)
    assert VmSettings(**VM).agent_max_connections == 8000
    assert VmSettings(**VM, agent_max_connections=1234).agent_max_connections == 1234
    monkeypatch.setenv("ELBFLOW_AGENT_MAX_CONNECTIONS", "2345")
    assert VmSettings(**VM).agent_max_connections == 2345


def test_many_vms_of_a_host_keep_the_small_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "memory", lambda: 1024 * MIB)
    assert HostSettings(**BASE, agent_token_file="/t").agent_max_connections == 4000  # type: ignore[arg-type]
