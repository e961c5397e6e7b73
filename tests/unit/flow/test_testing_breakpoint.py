"""``breakpoint()`` in workflow code, in a process of its own: a debugger reads its terminal, which guards forbid."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio
from datetime import timedelta
from elbflow import flow
from elbflow.flow import testing

ORDER = flow.WorkflowSignature("Order", "1", str, str, timedelta(hours=1), timedelta(seconds=10))

@flow.workflow(ORDER)
class Order:
    async def run(self, order: str) -> str:
        answer = order * 3
        breakpoint()
        return answer

async def main() -> None:
    async with testing.Environment(workflows=[Order]) as env:
        print("result", await env.run(ORDER, "ab"))

asyncio.run(main())
"""


def test_the_debugger_sees_the_workflow(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    said = "p answer\nimport time\np time.time() > 0\nc\n"  # once: repeated decisions pass over it
    ran = subprocess.run(
        [sys.executable, str(program)],
        input=said,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "-> return answer" in ran.stdout, ran.stderr
    assert "(Pdb) 'ababab'" in ran.stdout
    assert "(Pdb) True" in ran.stdout
    assert "result ababab" in ran.stdout
