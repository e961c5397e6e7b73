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


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "²"])
def test_a_limit_is_at_least_one(capsys: pytest.CaptureFixture[str], limit: str) -> None:
    with pytest.raises(SystemExit):
        command.main(["lb", "events", "web", f"--limit={limit}"])
    assert f"{limit!r} must be a number, and at least 1" in capsys.readouterr().err


def test_help_of_iam_teaches_its_topics(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["iam", "--help"])
    shown = capsys.readouterr().out
    for topic in ("users", "roles", "policies", "keys", "session", "accounts"):
        assert f"elbflow iam {topic}" in shown


def test_help_of_store_teaches_what_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["store", "--help"])
    shown = capsys.readouterr().out
    assert "elbflow store migrate sqlite:///" in shown
    assert "ELBFLOW_STORE_URL=postgresql://" in shown


def test_a_store_is_migrated_without_its_password_in_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELBFLOW_STORE_URL", raising=False)
    assert command.main(["store", "migrate"]) == 1
    assert "Which store? elbflow store migrate URL" in capsys.readouterr().err
    monkeypatch.setenv("ELBFLOW_STORE_URL", f"sqlite:///{tmp_path / 'store.sqlite'}")
    assert command.main(["store", "migrate"]) == 0
    assert "newest schema" in capsys.readouterr().out
    assert command.main(["iam", "users", "list"]) == 0


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("nonsense", "sqlite:////path/of/the/file or postgresql://"),
        ("mysql://there/db", "sqlite:////path/of/the/file or postgresql://"),
        ("sqlite:///{dir}/none.sqlite", "make one: elbflow store migrate sqlite:///{dir}/none.sqlite"),
        ("sqlite:///{dir}/empty.sqlite", "bring it up to date: elbflow store migrate sqlite:///{dir}/empty.sqlite"),
        ("sqlite:///{dir}/text.sqlite", "text.sqlite cannot be used as a store: file is not a database"),
        ("sqlite:///{dir}", "cannot be used as a store: unable to open database file"),
        ("postgresql://me:secret@localhost:1/db?host={dir}", "does not let us in"),
        ("postgresql://localhost:1/db?host={dir}&user=me&password=secret", "does not let us in"),
    ],
)
def test_a_wrong_store_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, advice: str
) -> None:
    (tmp_path / "empty.sqlite").touch()
    (tmp_path / "text.sqlite").write_text("no database " * 1000)
    assert command.main(["iam", "users", "list", "--store", url.format(dir=tmp_path)]) == 1
    said = capsys.readouterr().err
    assert advice.format(dir=tmp_path) in said
    assert len(said.splitlines()) == 1
    assert "secret" not in said


def test_a_migration_that_cannot_be_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.sqlite").write_text("no database " * 1000)
    for url in (f"sqlite:///{tmp_path}", f"sqlite:///{tmp_path}/none/db", f"sqlite:///{tmp_path}/text.sqlite"):
        assert command.main(["store", "migrate", url]) == 1
        said = capsys.readouterr().err
        assert "was not migrated: " in said
        assert len(said.splitlines()) == 1
