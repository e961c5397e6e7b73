"""The processes under test: the engine as operators run it, a fresh moto server, a bare HTTP echo.

Each is pinned to the first core, the load to the last one; a process's cost is read from /proc, so it does not depend
on the load generator's speed (spec/perf-baselines, method).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_S = 30.0
STOP_S = 10.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
_CORES = sorted(os.sched_getaffinity(0))
_server_cores = set(_CORES)


def pin() -> None:
    """Give servers started from now on the first core, and the calling process and its crowds the last one."""
    _server_cores.intersection_update(_CORES[:1])
    os.sched_setaffinity(0, _CORES[-1:])


@dataclass(frozen=True)
class Peer:
    """A running process. ``admin`` is empty for those without metrics."""

    process: subprocess.Popen[bytes]
    url: str
    admin: str = ""
    data_dir: Path | None = None

    def cpu_s(self) -> float:
        """User and system time of all threads so far, in nanosecond resolution where the kernel keeps it."""
        total_ns = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread may end while we look
                total_ns += int((task / "schedstat").read_text().split()[0])
        return total_ns / 1e9

    def whole_cpu_s(self) -> float:
        """The same of threads that have ended too, as moto's do after each connection; to ten milliseconds."""
        numbers = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / _TICKS_PER_S

    def loop_cpu_s(self) -> float:
        """Of :meth:`cpu_s`, what the main thread used: the event loop."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def rss_kib(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_KIB

    def metrics(self) -> Mapping[str, float]:
        """Samples of ``/metrics`` by name with labels, as they are written there."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=START_S) as response:
            lines = response.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 when there is none."""
        pattern = re.compile(re.escape(name) + r"(\{.*\})?\Z")
        return sum(value for key, value in self.metrics().items() if pattern.match(key))

    def store_mib(self) -> float:
        """Size of the data directory."""
        if self.data_dir is None:
            return 0.0
        return sum(file.stat().st_size for file in self.data_dir.iterdir() if file.is_file()) / 2**20


@contextlib.contextmanager
def engine(
    *options: str, child: Sequence[str] = (), environment: Mapping[str, str] | None = None, memory: bool = False
) -> Iterator[Peer]:
    """``elbflow-engine serve`` on a temporary file. ``child`` are options of :mod:`tests.bench.engine_child`, which
    then runs it instead of the installed program.
    """
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    program = [str(Path(sys.executable).with_name("elbflow-engine"))]
    if child:
        program = [sys.executable, "-m", "tests.bench.engine_child", *child]
    where = ":memory:" if memory else str(directory / "data")
    command = [*program, "serve", "--data-dir", where, "--port", "0", "--admin-port", "0", *options]
    log = directory / "log"
    try:
        with _process(command, log, environment or {}) as process:
            urls = _await_log(process, log)
            yield Peer(process, urls["engine_serving"], urls["admin_serving"], directory / "data")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def api(store_url: str, swf_endpoint: str) -> Iterator[Peer]:
    """``elbflow-api serve``; requests must be signed with keys of the store."""
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    log = directory / "log"
    command = [sys.executable, "-m", "elbflow_api", "serve", "--port", "0"]
    environment = {
        "ELBFLOW_STORE_URL": store_url,
        "ELBFLOW_SWF_ENDPOINT": swf_endpoint,
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "unused",
    }
    try:
        with _process(command, log, environment) as process:
            urls = _await_log(process, log, "serving")
            yield Peer(process, urls["serving"], urls["admin_serving"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def moto() -> Iterator[Peer]:
    """A fresh moto server: services that keep everything in memory; its SWF holds no polls."""
    with _announced("tests.bench.engine_moto") as peer:
        yield peer


@contextlib.contextmanager
def echo(answer_bytes: int) -> Iterator[Peer]:
    """A bare protocol that answers every request with ``answer_bytes`` of body."""
    with _announced("tests.bench.engine_echo_server", str(answer_bytes)) as peer:
        yield peer


@contextlib.contextmanager
def answers() -> Iterator[Peer]:
    """A bare protocol that answers SWF calls at once: a task of 1 KiB, a decision task of 100 events."""
    with _announced("tests.bench.client_answers") as peer:
        yield peer


@contextlib.contextmanager
def _announced(module: str, *arguments: str) -> Iterator[Peer]:
    """A server that prints its URL on the first line of its output."""
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    log = directory / "log"
    try:
        with _process([sys.executable, "-m", module, *arguments], log, {}) as process:
            _await(process, log, lambda: "\n" in log.read_text())
            yield Peer(process, log.read_text().split("\n", 1)[0])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _process(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    # The process has one thread yet: those it starts later inherit the core.
    os.sched_setaffinity(process.pid, _server_cores)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


def _await_log(process: subprocess.Popen[bytes], log: Path, serving: str = "engine_serving") -> dict[str, str]:
    urls: dict[str, str] = {}

    def announced() -> bool:
        for line in log.read_text().splitlines():
            if line.startswith("{") and line.endswith("}"):
                entry = json.loads(line)
                if entry.get("event") in (serving, "admin_serving"):
                    urls[entry["event"]] = entry["url"]
        return len(urls) == 2

    _await(process, log, announced)
    return urls


def _await(process: subprocess.Popen[bytes], log: Path, ready) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The process did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
