"""Settings of the decider and its command line."""

from __future__ import annotations

import pytest

from elbflow_decider import __main__ as command
from elbflow_decider.settings import DeciderSettings


def test_connections_follow_slots_and_budget() -> None:
    few = DeciderSettings(decision_slots=8, poll_budget=4).client_settings()
    assert (few.poll_connections, few.data_connections) == (4, 32)
    many = DeciderSettings(decision_slots=100, poll_budget=4)
    assert many.client_settings().data_connections == 200
    assert many.needed_files > 204


def test_wrong_settings_are_named_and_end_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ELBFLOW_DECISION_SLOTS", "0")
    assert command.main([]) == 2
    assert capsys.readouterr().err.startswith("elbflow-decider: decision_slots: ")
