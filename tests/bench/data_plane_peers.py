"""What benchmarks of the data plane measure and measure with: HAProxys, a servo, and a client written in C."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from tests.bench.data_plane_child import DOCUMENT, VM

from elbflow.contract import document

LOAD = Path(__file__).with_name("data_plane_load.c")
HTTP_PORT, HTTPS_PORT, BACKEND_PORT = 8080, 8443, 8000
ARN = "arn:aws:iam::000000000001:server-certificate/bench"
ANSWERS = SHORT, PAGE = 30, 10 * 1024
"""Bytes: next to nothing, where what a request costs is all there is, and a small page."""
START_S = 30.0
_CORES = sorted(os.sched_getaffinity(0))
PROXY_CORES, OTHER_CORES = set(_CORES[:1]), set(_CORES[-1:])
"""What is measured has a core to itself."""


@dataclass(frozen=True)
class Answer:
    """What the client saw in one round."""

    requests: int
    failures: int
    seconds: float
    p50_us: int
    p99_us: int
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def missing() -> str:
    """What this machine lacks for these benchmarks; empty when they can run."""
    lacking = [name for name in ("haproxy", "cc", "openssl") if shutil.which(name) is None]
    if ctypes.util.find_library("ssl") is None or not any(Path("/usr/include").glob("**/openssl/ssl.h")):
        lacking.append("OpenSSL's header files")
    return ", ".join(lacking)


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """A directory with the client compiled, and a certificate with its key; its path is short enough for sockets."""
    directory = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    try:
        subprocess.run(["cc", "-O2", "-o", directory / "load", LOAD, "-lssl", "-lcrypto"], check=True)
        key, leaf = directory / "key", directory / "leaf"
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "30"]
        subprocess.run([*made, "-keyout", key, "-out", leaf], check=True, capture_output=True)
        (directory / "bench.pem").write_bytes(leaf.read_bytes() + key.read_bytes())
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def network() -> str:
    """The first three numbers of a loopback network that nobody else uses."""
    return f"127.{random.randrange(100, 250)}.{random.randrange(1, 250)}"


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of processes so far, in nanosecond resolution."""
    total_ns = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@contextlib.contextmanager
def backends(directory: Path, addresses: Sequence[str]) -> Iterator[None]:
    """HAProxy itself as instances that answer at once, with as many bytes as the path ends with, or few."""
    text = "global\n    nbthread 1\ndefaults\n    mode http\n    timeout client 60s\n    timeout http-request 60s\n"
    text += "frontend instances\n" + "".join(f"    bind {one}:{BACKEND_PORT}\n" for one in addresses)
    for count in reversed(ANSWERS):
        (directory / f"answer-{count}").write_bytes(b"." * count)
        answer = f"status 200 content-type text/plain file {directory}/answer-{count}"
        text += f"    http-request return {answer}{'' if count == SHORT else f' if {{ path_end /{count} }}'}\n"
    with haproxy(directory, "instances", text, OTHER_CORES):
        yield


def minimal(address: str, certificate: Path, instances: Sequence[str]) -> str:
    """What somebody would write by hand who wants nothing but traffic to flow."""
    servers = "".join(f"    server s{number} {one}:{BACKEND_PORT}\n" for number, one in enumerate(instances))
    return f"""global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend http
    bind {address}:{HTTP_PORT}
    default_backend instances
frontend https
    bind {address}:{HTTPS_PORT} ssl crt {certificate}
    default_backend instances
backend instances
{servers}"""


def featured(address: str, certificate: Path, instances: Sequence[str]) -> str:
    """What somebody would write by hand who wants what a Classic load balancer does, access logs aside."""
    servers = "".join(f"    server s{at} {one}:{BACKEND_PORT} cookie s{at} check\n" for at, one in enumerate(instances))
    text = minimal(address, certificate, instances).partition("frontend http\n")[0]
    text += "    option forwardfor\n    option httpchk\n    default-server inter 5s\n"
    for protocol, port, tls in (("http", HTTP_PORT, ""), ("https", HTTPS_PORT, f" ssl crt {certificate}")):
        text += f"""frontend {protocol}
    bind {address}:{port}{tls}
    http-request set-header X-Forwarded-Proto {protocol}
    http-request set-header X-Forwarded-Port {port}
    default_backend {protocol}
backend {protocol}
    balance leastconn
    cookie AWSELB insert indirect nocache httponly maxlife 3600s
{servers}"""
    return text


@contextlib.contextmanager
def haproxy(directory: Path, name: str, text: str, cores: set[int]) -> Iterator[subprocess.Popen[bytes]]:
    """A HAProxy without a master."""
    file = directory / f"{name}.cfg"
    file.write_text(text)
    command = ["haproxy", "-db", "-f", str(file)]
    with (directory / f"{name}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        os.sched_setaffinity(process.pid, cores)
        try:
            yield process
        finally:
            process.kill()


class Vm:
    """A servo of its own process with its HAProxy."""

    def __init__(self, directory: Path, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address = address
        self._directory = directory
        self.process = process

    def apply(self, wanted: document.LoadBalancerDocument) -> float:
        """Serve it; the seconds that took in the servo."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(DOCUMENT.dump_json(wanted) + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError((self._directory / "servo.log").read_text()[-3000:])
        answer: Mapping[str, object] = orjson.loads(line)
        assert answer["problems"] == [], answer
        return float(str(answer["seconds"]))

    def haproxys(self) -> list[int]:
        """Master and workers."""
        return family(int((self._directory / VM / "haproxy.pid").read_text()))

    def pin(self) -> None:
        """HAProxy on the core of what is measured."""
        for pid in self.haproxys():
            os.sched_setaffinity(pid, PROXY_CORES)


@contextlib.contextmanager
def vm(directory: Path, address: str) -> Iterator[Vm]:
    command = [sys.executable, "-m", "tests.bench.data_plane_child", str(directory), address]
    with (
        (directory / "servo.log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        os.sched_setaffinity(process.pid, OTHER_CORES)
        try:
            yield Vm(directory, address, process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(START_S)
        finally:
            process.kill()


def load(
    directory: Path,
    address: str,
    *,
    tls: bool,
    connections: int,
    seconds: float,
    kept: bool = True,
    answer: int = SHORT,
) -> Answer:
    """One round of the client; each ``answer`` has so many bytes."""
    port, protocol = (HTTPS_PORT, "tls") if tls else (HTTP_PORT, "plain")
    command = [str(directory / "load"), address, str(port), protocol, str(connections), str(seconds)]
    command += ["kept" if kept else "new", f"/a/page/of/the/bench/{answer}"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=seconds + 60)
    return Answer(**orjson.loads(done.stdout))


def until_answered(directory: Path, address: str, *, tls: bool) -> None:
    """Return when a first round brings nothing but answers."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            answer = load(directory, address, tls=tls, connections=2, seconds=0.1)
            if answer.requests and not answer.failures:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{address} does not serve")
