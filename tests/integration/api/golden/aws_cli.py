"""The AWS CLI many times for the price of once: what its program imports is imported once, then each call is a fork.

python -m tests.integration.api.golden.aws_cli PROGRAM

Reads calls from its input, a line of JSON each, and answers each with a line when its process has ended:
``{"arguments": [...], "environment": {...}, "out": FILE, "err": FILE}``, ``CODE``. A call is the program's own text,
run as a process with these arguments and this environment.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = Path(sys.executable).parent / "aws"
_CALL_S = 60.0


class AwsCli:
    """A process to fork calls from; one call at a time. Use it as an async context manager."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="elbflow-aws-")
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.api.golden.aws_cli", str(PROGRAM)),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._process.communicate(b"")  # the end of its input is its sign
        self._directory.cleanup()

    async def call(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        """Exit code, and what the call wrote to stdout and stderr."""
        out, err = (Path(self._directory.name) / name for name in ("out", "err"))
        order = {"arguments": arguments, "environment": environment, "out": str(out), "err": str(err)}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        async with self._turn, asyncio.timeout(_CALL_S):
            stdin.write(json.dumps(order).encode() + b"\n")
            code = int(await stdout.readline())
            return code, out.read_text(), err.read_text()


def main() -> int:
    program = sys.argv[1]
    runpy.run_path(program, run_name="imported")
    _warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        _, status = os.waitpid(_forked(program, order), 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return 0


def _warm_up() -> None:
    """Import what the program extends itself with, and read its models."""
    from awscli import clidriver  # type: ignore[import-untyped]
    from awscli.botocore import loaders  # type: ignore[import-untyped]

    read = functools.cache(loaders.JSONFileLoader().load_file)
    loaders.JSONFileLoader.load_file = lambda _, path: read(path)
    driver = clidriver.create_clidriver()
    driver.session.get_service_model("elb")
    driver.session.get_component("endpoint_resolver")


def _forked(program: str, order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    for number, path in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), number)
    os.environ.update(order["environment"])
    sys.argv = [program, *order["arguments"]]
    code = 1
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
