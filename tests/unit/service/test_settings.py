from __future__ import annotations

from pathlib import Path

import pydantic
import pytest

from elbflow import service


class ExampleSettings(service.ServiceSettings):
    database_url: pydantic.SecretStr = pydantic.SecretStr("sqlite://")
    poll_budget: int = 10


def test_defaults_are_the_documented_ones(settings: service.ServiceSettings) -> None:
    assert settings.model_dump() == {
        "service_host": "127.0.0.1",
        "service_port": 0,
        "log_level": "INFO",
        "log_format": "json",
        "drain_timeout_s": 70.0,
        "max_loop_lag_s": 1.0,
    }


def test_variables_set_common_and_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_LOG_LEVEL", "debug")
    monkeypatch.setenv("ELBFLOW_POLL_BUDGET", "300")
    settings = ExampleSettings()
    assert (settings.log_level, settings.poll_budget) == ("DEBUG", 300)


def test_secret_files_fill_what_variables_leave_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elbflow_database_url").write_text("postgresql://u:hunter2@db/elb\n")
    (tmp_path / "elbflow_poll_budget").write_text("7")
    monkeypatch.setenv("ELBFLOW_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ELBFLOW_POLL_BUDGET", "8")
    settings = ExampleSettings()
    assert settings.database_url.get_secret_value() == "postgresql://u:hunter2@db/elb"
    assert settings.poll_budget == 8
    assert "hunter2" not in repr(settings)


def test_settings_are_frozen(settings: service.ServiceSettings) -> None:
    with pytest.raises(pydantic.ValidationError):
        settings.service_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SERVICE_PORT", "70000"), ("LOG_LEVEL", "chatty"), ("LOG_FORMAT", "xml"), ("DRAIN_TIMEOUT_S", "0")],
)
def test_wrong_values_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"ELBFLOW_{variable}", value)
    with pytest.raises(pydantic.ValidationError, match=variable.lower()):
        service.ServiceSettings()
