"""Settings from the environment."""

from __future__ import annotations

import pydantic
import pytest

from elbflow_api import __main__ as command
from elbflow_api.settings import ApiSettings


@pytest.fixture(autouse=True)
def store_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_STORE_URL", "sqlite+aiosqlite:///nowhere")


def test_defaults() -> None:
    settings = ApiSettings()
    assert settings.restricted_ports == {22}
    assert settings.zones == ("local-1a", "local-1b", "local-1c")
    assert settings.auth == "static"


def test_lists_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_ZONES", "one, two")
    monkeypatch.setenv("ELBFLOW_RESTRICTED_PORTS", "22, 100-102,")
    monkeypatch.setenv("ELBFLOW_DNS_SUBDOMAIN", "elb")
    monkeypatch.setenv("ELBFLOW_DNS_DOMAIN", "example.com")
    settings = ApiSettings()
    assert settings.zones == ("one", "two")
    assert settings.restricted_ports == {22, 100, 101, 102}
    assert settings.dns_suffix == "elb.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESTRICTED_PORTS", "x"),
        ("RESTRICTED_PORTS", "0"),
        ("RESTRICTED_PORTS", "1-65536"),
        ("RESTRICTED_PORTS", "٣"),
        ("ZONES", " , "),
        ("AUTH", "maybe"),
        ("WORKFLOW_WAIT_S", "0"),
        ("DNS_SUBDOMAIN", "-x"),
    ],
)
def test_wrong_settings(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ELBFLOW_{name}", value)
    with pytest.raises(pydantic.ValidationError):
        ApiSettings()


def test_the_command_says_what_is_wrong_and_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ELBFLOW_STORE_URL")
    assert command.main(["serve", "--auth", "off"]) == 2
    assert "store_url" in capsys.readouterr().err
