"""mypy --strict and pyright accept what is right, and point at every line that is wrong.

Wrong lines bear ``# error: <codes of mypy> | <rules of pyright>``; ``-`` says that this checker sees nothing there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = ROOT / "shared" / "src"
FILES = sorted([*HERE.glob("good/*.py"), *HERE.glob("bad/*.py")])
MARK = re.compile(r"# error: (.+) \| (.+)$")
Found = set[tuple[str, int, str]]


def marked(side: int) -> Found:
    """What the files say that a checker should report: (file, line, code)."""
    found: Found = set()
    for file in FILES:
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if (mark := MARK.search(line)) is not None:
                codes = mark[side + 1].split(", ")
                found |= {(f"{file.parent.name}/{file.name}", number, code) for code in codes if code != "-"}
    return found


def mypy(directory: Path) -> Found:
    """As a project of its own would run it: no plugin, no exceptions for anything but empty stubs."""
    settings = directory / "mypy.ini"
    settings.write_text("[mypy]\n[mypy-elbflow.*]\nignore_errors = True\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--disable-error-code", "empty-body"]
    command += ["--config-file", str(settings), "--cache-dir", str(directory / "cache"), "--output", "json"]
    command += ["--namespace-packages", "--explicit-package-bases", *map(str, FILES)]
    done = subprocess.run(
        command, cwd=HERE, env=os.environ | {"MYPYPATH": f"{SOURCES}:{HERE}"}, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {(place(entry["file"]), entry["line"], entry["code"]) for entry in said if entry["severity"] == "error"}


def pyright(directory: Path) -> Found:
    """In strict mode, over the files only."""
    settings = directory / "pyrightconfig.json"
    options: dict[str, Any] = {"include": list(map(str, FILES)), "extraPaths": [str(SOURCES)]}
    options |= {"typeCheckingMode": "strict", "pythonVersion": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    settings.write_text(json.dumps(options))
    command = [sys.executable, "-m", "basedpyright", "--project", str(settings), "--outputjson"]
    done = subprocess.run([*command, "--pythonpath", sys.executable], cwd=directory, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(FILES)
    return {
        (place(entry["file"]), entry["range"]["start"]["line"] + 1, entry["rule"])
        for entry in report["generalDiagnostics"]
        if entry["severity"] == "error"
    }


def place(file: str) -> str:
    path = Path(file)
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize(("side", "checker"), [(0, mypy), (1, pyright)], ids=["mypy", "pyright"])
def test_exactly_the_wrong_lines_are_errors(side: int, checker: Callable[[Path], Found], tmp_path: Path) -> None:
    said, expected = checker(tmp_path), marked(side)
    assert expected
    assert not any(where.startswith("good/") for where, _, _ in expected)
    unexpected = [f"not marked: {entry}" for entry in sorted(said - expected)]
    unseen = [f"not reported: {entry}" for entry in sorted(expected - said)]
    if unexpected or unseen:
        pytest.fail("\n".join(unexpected + unseen), pytrace=False)
