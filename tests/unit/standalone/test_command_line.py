from __future__ import annotations

from pathlib import Path

import pytest

from elbflow_standalone import __main__ as command
from elbflow_standalone import layout, stack_file


def test_help_teaches_the_first_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "elbflow up" in shown
    assert "aws elb create-load-balancer" in shown


def test_command_without_a_stack_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["lb", "list", "--data-dir", str(tmp_path)]) == 1
    assert "elbflow up --data-dir" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["i web", "127.0.0.1"], ["i-web", "127.0.0"], ["i-web\n", "127.0.0.1"]])
def test_bad_instances_are_refused(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    stack_file.write(layout.Layout(tmp_path, 8700).stack_file, {"base_port": 8700})
    instance_id, address = words
    line = ["instances", "add", instance_id, "--address", address, "--zone", "local-1a", "--data-dir", str(tmp_path)]
    assert command.main(line) == 1
    assert "is no" in capsys.readouterr().err


def test_help_of_lb_teaches_its_actions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["lb", "--help"])
    shown = capsys.readouterr().out
    for action in ("ls", "show", "health", "events"):
        assert f"elbflow lb {action}" in shown


def test_a_limit_is_at_least_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["lb", "events", "web", "--limit", "0"])
    assert "must be at least 1" in capsys.readouterr().err
