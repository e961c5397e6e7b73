"""Settings of the engine process, checked before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic
import pytest

from elbflow import service
from elbflow_engine import __main__ as program
from elbflow_engine import journal, server, settings, wire


def configured(**values: Any) -> server.Configuration:
    return settings.EngineSettings(engine_data_dir=journal.MEMORY, **values).configuration()


def refused(**values: Any) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        settings.EngineSettings(**({"engine_data_dir": journal.MEMORY} | values))
    return str(caught.value)


def test_the_defaults() -> None:
    configuration = configured()
    assert isinstance(configuration.authenticator, service.AcceptAll)
    assert configuration.rules == wire.Rules("us-east-1", False, wire.ELB_ROLES)
    assert configuration.capacity == wire.Capacity()


def test_static_authentication_for_the_system_only(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": []}))
    keys.chmod(0o600)
    configuration = configured(
        engine_auth="static",
        engine_keys=keys,
        engine_system_only="true",
        engine_system_roles=" admin-*, vm,, ",
        engine_max_connections=100,
    )
    assert isinstance(configuration.authenticator, service.Verifier)
    assert configuration.rules == wire.Rules("us-east-1", True, ("admin-*", "vm"))
    assert configuration.capacity.connections == 100


def test_what_does_not_go_together() -> None:
    assert "engine_data_dir is not set" in refused(engine_data_dir="")
    assert "engine_auth=static needs engine_keys" in refused(engine_auth="static")
    assert "engine_system_only needs engine_auth=static" in refused(engine_system_only=True)
    assert "engine_region" in refused(engine_region="a@b")
    assert "engine_max_connections" in refused(engine_max_connections=-1)


def test_the_files_needed_follow_what_is_to_be_held() -> None:
    def needed(**values: Any) -> int:
        return settings.EngineSettings(engine_data_dir=journal.MEMORY, **values).needed_files

    assert needed(engine_max_polls=500) == 500 + settings.SPARE_FILES
    assert needed(engine_max_polls=500, engine_max_connections=900) == 900 + settings.SPARE_FILES


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["serve", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--auth", "--keys", "--system-only", "--system-roles", "--max-connections"):
        assert option in shown
