"""Whether workflows decide the same under several Pythons and hash seeds.

``python -m tests.replay.pythons python3.11 python3.12 python3.13`` makes a virtual environment for each interpreter
(kept in ``build/pythons``, with the versions of constraints.txt), runs ``tests.replay.portable`` in each under three
hash seeds, and compares what they print, byte for byte. The tests do the same with the environments they find.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build" / "pythons"
SEEDS = ("0", "1", "4242")
TIMEOUT_S = 300


def environment(interpreter: str) -> pathlib.Path:
    """The Python of an environment for ``interpreter`` that has what elbflow.flow needs; made if it is not there."""
    asked = [interpreter, "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(asked, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout.strip()
    home = ENVIRONMENTS / version
    python = home / "bin" / "python"
    if not python.exists():
        _call([interpreter, "-m", "venv", str(home)])
    if not is_equipped(python):
        needed = tomllib.loads((ROOT / "shared" / "pyproject.toml").read_text())["project"]["dependencies"]
        _call([str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), *needed])
    return python


def is_equipped(python: pathlib.Path | str) -> bool:
    """Whether an interpreter can import elbflow.flow and is new enough for it."""
    asked = "import sys; assert sys.version_info >= (3, 11); import elbflow.flow"
    return _run(python, ["-c", asked], "0").returncode == 0


def found() -> list[str]:
    """The running interpreter, and those of other versions that earlier runs of this program left."""
    homes = sorted(home for home in ENVIRONMENTS.glob("*") if home.name != platform.python_version())
    others = [str(home / "bin" / "python") for home in homes if (home / "bin" / "python").exists()]
    return [sys.executable, *(python for python in others if is_equipped(python))]


def differences(pythons: Iterable[str], seeds: Sequence[str] = SEEDS) -> list[str]:
    """What the first interpreter prints and others do not, as a diff; errors too. Empty when all print the same."""
    cases = [(python, seed) for python in pythons for seed in seeds]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda case: _run(case[0], ["-m", "tests.replay.portable"], case[1]), cases))
    said = [f"{case}: {one.stderr}" for case, one in zip(cases, ran, strict=True) if one.returncode or not one.stdout]
    for case, one in zip(cases, ran, strict=True):
        if one.stdout != ran[0].stdout:
            lines = difflib.unified_diff(
                ran[0].stdout.splitlines(), one.stdout.splitlines(), str(cases[0]), str(case), lineterm=""
            )
            said.extend(list(lines)[:40])
    return said


def _run(python: pathlib.Path | str, arguments: Sequence[str], seed: str) -> subprocess.CompletedProcess[str]:
    paths = [ROOT, ROOT / "shared" / "src", ROOT / "services" / "decider" / "src"]
    variables = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(
        [str(python), *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _call(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, timeout=TIMEOUT_S)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare what workflows decide under several Pythons.")
    parser.add_argument("interpreters", nargs="+", help="such as python3.12")
    pythons = [str(environment(interpreter)) for interpreter in parser.parse_args().interpreters]
    said = differences(pythons)
    sys.stdout.write("\n".join([*said, f"{len(pythons)} Pythons, {len(SEEDS)} hash seeds: {_verdict(said)}", ""]))
    return 1 if said else 0


def _verdict(said: list[str]) -> str:
    return "they differ" if said else "the same decisions"


if __name__ == "__main__":
    sys.exit(main())
