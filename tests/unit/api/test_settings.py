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
        ("CLOUD", "azure"),
        ("EC2_ENDPOINT", "ec2.example.com"),
        ("CLOUD_REGION", "US East"),
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


def test_where_the_master_key_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_STORE_URL", "sqlite+aiosqlite:////srv/store.sqlite")
    assert ApiSettings().iam_port is None
    assert str(ApiSettings(iam_port=0).master_key_path) == "/srv/store.sqlite.master-key"
    monkeypatch.setenv("ELBFLOW_STORE_URL", "postgresql+asyncpg://db/elbflow")
    with pytest.raises(pydantic.ValidationError, match="master_key_file"):
        ApiSettings(iam_port=0)
    monkeypatch.setenv("ELBFLOW_MASTER_KEY_FILE", "/run/secrets/master-key")
    assert str(ApiSettings(iam_port=0).master_key_path) == "/run/secrets/master-key"


def test_the_region_of_arns() -> None:
    assert ApiSettings(swf_region="eu-west-1").arn_region == "eu-west-1"
    assert ApiSettings(swf_region="eu-west-1", elb_region="local-1").arn_region == "local-1"


def test_the_aws_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ApiSettings().cloud == "local"
    monkeypatch.setenv("ELBFLOW_CLOUD", "aws")
    assert ApiSettings(swf_region="eu-west-1").cloud_region_name == "eu-west-1"
    assert ApiSettings(swf_region="eu-west-1", cloud_region="eu-north-1").cloud_region_name == "eu-north-1"
    with pytest.raises(pydantic.ValidationError, match="cloud_certificates=store"):
        ApiSettings(iam_port=0, master_key_file="/k")
    assert ApiSettings(iam_port=0, master_key_file="/k", cloud_certificates="store").iam_port == 0
