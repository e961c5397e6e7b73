"""What a workflow decides depends on nothing that differs from process to process."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import elbflow

PROGRAM = pathlib.Path(__file__).with_name("hash_seed_program.py")


def test_decisions_are_the_same_under_any_hash_seed() -> None:
    shared = pathlib.Path(elbflow.__file__).parents[1]
    outputs = []
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(shared)}
        ran = subprocess.run(
            [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=50, check=False
        )
        assert ran.returncode == 0, ran.stderr
        outputs.append(ran.stdout)
    assert outputs[0].count("RequestCancelActivityTask") == 26
    assert len(set(outputs)) == 1
