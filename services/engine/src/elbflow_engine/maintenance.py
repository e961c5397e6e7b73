"""``elbflow-engine backup`` and ``elbflow-engine check``: the care of a journal, also of one in use."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from elbflow import service
from elbflow_engine import journal

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

_DATA_DIR = "ELBFLOW_ENGINE_DATA_DIR"


def add_commands(commands: Commands) -> None:
    """Add both commands to the command line."""
    backup = commands.add_parser(
        "backup",
        help="copy the journal, also while the engine runs",
        description="Copy the journal to FILE: what is committed now, examined, in one file of mode 0600. FILE appears "
        "when it is complete; an existing one is left alone. To restore it, put it as "
        f"{journal.FILE_NAME} into an empty data directory.",
    )
    backup.add_argument("file", type=Path, metavar="FILE")
    _add_data_dir(backup)
    backup.set_defaults(maintenance=_backup)
    check = commands.add_parser(
        "check",
        help="examine the journal or a backup",
        description="Examine a journal without changing it, also while the engine runs, or a backup: SQLite's own "
        "structure, the schema version, every history, and whether the engine could load it. Findings go to stdout; "
        "exit code 0 when there are none, 1 when there are some.",
    )
    check.add_argument("file", type=Path, metavar="FILE", nargs="?", help="a backup, instead of a data directory")
    _add_data_dir(check)
    check.set_defaults(maintenance=_check)


def concerns(arguments: argparse.Namespace) -> bool:
    """Whether one of these commands was given."""
    return "maintenance" in arguments


def run(arguments: argparse.Namespace) -> int:
    """Run the command; the exit code. 0 done, 1 failed or damaged, 2 usage."""
    command: Callable[[argparse.Namespace], int] = arguments.maintenance
    try:
        return command(arguments)
    except ValueError as error:
        return service.refuse("elbflow-engine", error)
    except (OSError, sqlite3.Error, journal.JournalUnusable, journal.Damaged) as error:
        sys.stderr.write(f"elbflow-engine: {error}\n")
        return 1


def _backup(arguments: argparse.Namespace) -> int:
    source, target = _journal_of(arguments), arguments.file.absolute()
    shown = _Progress("copied", "MiB")
    journal.backup(source, target, journal.verify, lambda done, total: shown(_mib(done), _mib(total)))
    sys.stdout.write(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, examined\n")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    path = arguments.file or _journal_of(arguments)
    report = journal.examine(path, _Progress("examined", "executions"))
    for finding in report.findings:
        sys.stdout.write(f"{finding}\n")
    verdict = f"{len(report.findings)} findings" if report.findings else "ok"
    sys.stdout.write(
        f"{path}: schema version {report.version}, {report.open_executions} open and {report.closed_executions} "
        f"closed executions, {report.events} events: {verdict}\n"
    )
    return 1 if report.findings else 0


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get(_DATA_DIR)
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", default=default, help=f"directory of the journal (default ${_DATA_DIR})"
    )


def _journal_of(arguments: argparse.Namespace) -> Path:
    if arguments.data_dir is None:
        raise ValueError("give --data-dir: the directory of the journal")
    if str(arguments.data_dir) == journal.MEMORY:
        raise ValueError(f"{journal.MEMORY} keeps nothing that could be looked at")
    return Path(arguments.data_dir) / journal.FILE_NAME


def _mib(pages: int) -> int:
    return pages * journal.PAGE_BYTES // 2**20


class _Progress:
    """Says on stderr, when that is a terminal, how far something is."""

    def __init__(self, verb: str, unit: str) -> None:
        self._verb = verb
        self._unit = unit
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        if self._shown:
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{self._verb} {done} of {total} {self._unit}{end}")
            sys.stderr.flush()
