"""An emulated server as tests and benchmarks hold it: a process of its own, and its admin commands as methods."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.emulators.behaviour import Behaviour

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Emulator:
    """A running one. All methods block; they raise ``OSError`` when the process is gone."""

    pid: int
    url: str
    admin: str

    def report(self) -> dict[str, Any]:
        """See :meth:`tests.emulators.server.Server.report`."""
        return self._ask("report")

    def reset(self) -> None:
        """Count from zero."""
        self._ask("reset")

    def switch(self, **members: object) -> None:
        """Change members of its behaviour."""
        self._ask("switch", **members)

    def tasks(self, lists: Sequence[str], each: int = 1) -> None:
        """Hand out tasks, all at once."""
        self._ask("tasks", lists=list(lists), each=each)

    def steadily(self, lists: Sequence[str], *, per_s: float, count: int) -> None:
        """Begin to hand out ``count`` tasks at an even rate."""
        self._ask("steadily", lists=list(lists), per_s=per_s, count=count)

    def wait(self, reached: Callable[[dict[str, Any]], bool], within_s: float) -> dict[str, Any]:
        """The first report that ``reached`` accepts, or the last one within ``within_s`` seconds."""
        deadline = time.monotonic() + within_s
        while not reached(report := self.report()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return report

    def _ask(self, command: str, **members: object) -> dict[str, Any]:
        body = json.dumps(members).encode()
        with urllib.request.urlopen(f"{self.admin}/{command}", body, timeout=DEADLINE_S) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer


@contextlib.contextmanager
def emulated(behaviour: Behaviour | None = None, cores: Collection[int] = ()) -> Iterator[Emulator]:
    """Start an emulated server, on ``cores`` if they are given, and end it with the block."""
    command = [sys.executable, "-m", "tests.emulators", json.dumps(asdict(behaviour or Behaviour()))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("The emulated server did not start")
        where = json.loads(line)
        yield Emulator(process.pid, where["url"], where["admin"])
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdin.close()
        process.stdout.close()
