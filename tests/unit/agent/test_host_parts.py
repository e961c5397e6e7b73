"""Addresses, records and settings of the host."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pydantic
import pytest

from elbflow import polling
from elbflow_agent import files
from elbflow_agent.haproxy import place, safe
from elbflow_agent.host import addresses, records
from elbflow_agent.settings import HostSettings, VmSettings

NETWORK = ipaddress.IPv4Network("127.80.0.0/28")


def test_addresses_are_stable_distinct_and_inside() -> None:
    used: set[str] = set()
    for number in range(13):
        chosen = addresses.choose(NETWORK, f"i-{number}", used)
        assert ipaddress.IPv4Address(chosen) in NETWORK
        assert chosen not in used
        used.add(chosen)
    assert not {"127.80.0.0", "127.80.0.1", "127.80.0.15"} & used
    with pytest.raises(addresses.AddressesExhausted):
        addresses.choose(NETWORK, "i-13", used)
    assert addresses.choose(NETWORK, "i-0", ()) == addresses.choose(NETWORK, "i-0", ())


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    path = tmp_path / "vms"
    path.mkdir()
    return path


def test_records_come_back_and_go_away(run_dir: Path, logs: list[dict[str, Any]]) -> None:
    one = records.VmRecord("i-1", "127.80.0.2", "a", "000000000001", "web")
    two = records.VmRecord("i-2", "127.80.0.3", "a", "000000000001", "web")
    records.save(run_dir, one)
    records.save(run_dir, two)
    (run_dir / "i-3").mkdir()
    (run_dir / "i-3" / "vm.json").write_text('{"instance_id": "../x"}')
    assert records.load_all(run_dir) == [one, two]
    assert [event["event"] for event in logs] == ["vm_record_unreadable"]
    records.forget(run_dir, one)
    records.forget(run_dir, one)
    assert records.load_all(run_dir) == [two]
    assert (run_dir / "i-2" / "vm.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("instance_id", ["", "..", "../i-1", "i/1", "i 1", "i-1\n", "x" * 65, "_1_i-1"])
def test_ids_that_are_no_plain_names_have_no_record(instance_id: str) -> None:
    with pytest.raises(safe.Unrepresentable):
        records.VmRecord(instance_id, "127.80.0.2", "a", "000000000001", "web")


def test_vms_of_one_id_have_records_of_their_own(run_dir: Path) -> None:
    ending = records.VmRecord("i-1", "127.80.0.2", "a", "000000000001", "web", ends_at=1234.5)
    again = records.VmRecord("i-1", "127.80.0.2", "a", "000000000001", "web", again=1)
    records.save(run_dir, ending)
    records.save(run_dir, again)
    assert sorted(records.load_all(run_dir), key=lambda each: each.again) == [ending, again]
    records.forget(run_dir, ending)
    assert records.load_all(run_dir) == [again]


def test_records_of_earlier_builds_are_understood(run_dir: Path) -> None:
    (run_dir / "i-1").mkdir()
    (run_dir / "i-1" / "vm.json").write_text(
        '{"instance_id":"i-1","address":"127.80.0.2","zone":"a","account":"000000000001","load_balancer":"web"}'
    )
    assert records.load_all(run_dir) == [records.VmRecord("i-1", "127.80.0.2", "a", "000000000001", "web")]


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.replace_now(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="disk full"):
            files.replace_now(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_has_one_agent(tmp_path: Path) -> None:
    with (
        files.exclusive(tmp_path / "vms"),
        pytest.raises(files.InUse, match="another agent"),
        files.exclusive(tmp_path / "vms"),
    ):
        raise AssertionError("held twice")
    with files.exclusive(tmp_path / "vms"):
        assert (tmp_path / "vms").stat().st_mode & 0o777 == 0o700


def host_settings(**values: Any) -> HostSettings:
    base = {
        "agent_run_dir": "/run/x",
        "agent_redis_socket": "/run/r",
        "agent_token_file": "/t",
        "agent_haproxy": "true",
    }
    return HostSettings(**{**base, **values})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RUN_DIR": "/run/elbflow",
        "REDIS_SOCKET": "/run/redis.sock",
        "TOKEN_FILE": "/run/token",
        "NETWORK": "127.99.0.0/16",
        "HAPROXY": "true",
    }.items():
        monkeypatch.setenv(f"ELBFLOW_AGENT_{name}", value)
    monkeypatch.setenv("ELBFLOW_SWF_ENDPOINT", "http://127.0.0.1:1")
    settings = HostSettings()
    assert settings.agent_network == ipaddress.IPv4Network("127.99.0.0/16")
    assert settings.profile() == polling.EndpointProfile.local()
    assert settings.client_settings().endpoint_urls == ("http://127.0.0.1:1",)
    assert settings.client_settings().poll_connections == settings.swf_poll_connections
    assert settings.needed_files > settings.swf_poll_connections


def test_the_endpoint_profile_follows_the_endpoint() -> None:
    assert host_settings().profile().name == "aws"
    assert host_settings(swf_endpoint_kind="eucalyptus").profile().name == "eucalyptus"


@pytest.mark.parametrize(
    "values",
    [
        {"agent_haproxy": "/nonexistent/haproxy"},
        {"agent_network": "127.80.0.1/16"},
        {"agent_max_connections": 0},
        {"swf_endpoint_kind": "azure"},
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        host_settings(**values)


def test_a_vm_is_named_by_a_plain_id() -> None:
    base = {"agent_run_dir": "/run/x", "agent_redis_socket": "/run/r", "agent_haproxy": "true"}
    made = VmSettings(**base, agent_instance_id="i-1", agent_address="127.0.0.1")  # type: ignore[arg-type]
    assert made.agent_role == "both"
    with pytest.raises(pydantic.ValidationError):
        VmSettings(**base, agent_instance_id="../x", agent_address="127.0.0.1")  # type: ignore[arg-type]


def test_limits_fit_the_open_files_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1024))
    assert place.Limits(4000, 60).fitted() == place.Limits(412, 60)
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1_000_000))
    assert place.Limits(4000, 60).fitted() == place.Limits(4000, 60)
