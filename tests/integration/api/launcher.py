"""Starts several ``elbflow-api serve`` for the price of one: what they import is imported once, then it forks.

python -m tests.integration.api.launcher '[{"log": "FILE", "environment": {...}}, ...]'

Prints the process ids as JSON. When its input ends it kills whichever of them is left, and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping

from elbflow_api import __main__ as program
from elbflow_api import waiting

_PROMPT_S = 30.0
"""So long calls wait for the delivery of their orders: a busy machine may take its time to reach a chosen moment."""


def main() -> int:
    waiting.PROMPT_S = _PROMPT_S
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: their ids are free as soon as they end
    started = [_start(one["log"], one["environment"]) for one in json.loads(sys.argv[1])]
    sys.stdout.write(json.dumps(started) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return 0


def _start(log: str, environment: Mapping[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), 2)
    os.environ.update(environment)
    code = 1
    try:
        code = program.main(["serve", "--port", "0"])
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
