from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from elbflow import store
from elbflow.contract import document
from elbflow_standalone import __main__ as command
from elbflow_standalone import aws, layout, lb_events, stack_file
from elbflow_standalone.commands import lb


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


def test_a_removed_instance_is_terminated_for_those_who_registered_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = layout.Layout(tmp_path, 8700)
    stack_file.write(where.stack_file, {"base_port": 8700})
    asyncio.run(store.migrate(where.store_url))
    end = ["--data-dir", str(tmp_path)]
    assert command.main(["instances", "add", "i-1", "--address", "127.0.0.1", "--zone", "local-1a", *end]) == 0
    assert command.main(["instances", "remove", "i-1", *end]) == 0
    assert command.main(["instances", "list", *end]) == 0
    assert "terminated" in capsys.readouterr().out.splitlines()[-1]
    assert command.main(["instances", "remove", "i-1", *end]) == 1
    assert "elbflow instances list" in capsys.readouterr().err


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


@pytest.mark.parametrize("lines", [1, 100_000])
def test_output_that_nobody_reads_is_no_crash(lines: int) -> None:
    """As behind ``| head``: little of it fails when it is flushed, much of it in the middle of the command."""
    program = (
        "import sys; from elbflow_standalone import __main__ as command; from elbflow_standalone.commands import lb; "
        f"lb.run_list = lambda *_: print('web' * {lines}) or 0; lb.stack_file.load_layout = lambda _: None; "
        "sys.exit(command.main(['lb', 'ls']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_broken_pipe_that_is_not_the_output_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaks(_: Path) -> layout.Layout:
        raise BrokenPipeError("a program of the stack went away")

    monkeypatch.setattr(stack_file, "load_layout", breaks)
    with (tmp_path / "output").open("w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(BrokenPipeError, match="went away"):
            command.main(["lb", "ls"])


def test_tables_that_are_no_terminal_keep_ids_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow_id = "update-loadbalancer-100000000001-" + "w" * 32
    event = lb_events.Event(
        "UpdateLoadBalancer", workflow_id, "run", datetime(2026, 1, 1, tzinfo=UTC), None, "open", "r" * 90
    )

    async def web(*_: object) -> document.LoadBalancerKey:
        return document.LoadBalancerKey("100000000001", "web")

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(stack_file, "load_layout", lambda _: None)
    monkeypatch.setattr(aws, "client", lambda *_: None)
    monkeypatch.setattr(lb, "_key", web)
    monkeypatch.setattr(lb_events, "of_load_balancer", lambda *_: [event])
    assert command.main(["lb", "events", "web"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "UpdateLoadBalancer" in line)
    assert line.rstrip().endswith(f"{'r' * 90}   {workflow_id}")
