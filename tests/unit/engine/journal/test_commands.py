"""``elbflow-engine backup`` and ``check`` on the command line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from elbflow_engine import __main__ as program
from elbflow_engine import journal


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELBFLOW_ENGINE_DATA_DIR", raising=False)


def test_a_backup_and_its_check(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "copy.sqlite3"
    assert program.main(["backup", str(target), "--data-dir", str(written.parent)]) == 0
    assert "examined" in capsys.readouterr().out
    assert program.main(["check", str(target)]) == 0
    said = capsys.readouterr()
    assert (
        said.out
        == f"{target}: schema version {journal.SCHEMA_VERSION}, 2 open and 2 closed executions, 18 events: ok\n"
    )
    assert said.err == ""


def test_the_data_directory_may_be_a_variable(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBFLOW_ENGINE_DATA_DIR", str(written.parent))
    assert program.main(["check"]) == 0


def test_findings_are_lines_and_exit_code_1(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = sqlite3.connect(written)
    with connection:
        connection.execute("DELETE FROM event WHERE execution_id = 3 AND event_id = 2")
    connection.close()
    assert program.main(["check", "--data-dir", str(written.parent)]) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Execution 3 (open, ")
    assert last.endswith("findings")
    assert program.main(["backup", str(written.parent / "copy"), "--data-dir", str(written.parent)]) == 1
    assert "Execution 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["backup", "{there}", "--data-dir", "{data}"], 1, "exists already"),
        (["check", "{there}"], 1, "not a database"),
        (["check", "--data-dir", "{there}"], 1, "no such file"),
        (["backup", "{data}/nowhere/copy", "--data-dir", "{data}"], 1, "No such file or directory"),
        (["check"], 2, "--data-dir"),
        (["backup", "copy"], 2, "--data-dir"),
        (["check", "--data-dir", ":memory:"], 2, "keeps nothing"),
    ],
)
def test_mistakes_are_told(
    written: Path, tmp_path: Path, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    there.write_text("precious, and longer than the head of a database file would be " * 4)
    assert program.main([word.format(there=there, data=written.parent) for word in words]) == code
    assert told in capsys.readouterr().err
    assert there.read_text().startswith("precious")
