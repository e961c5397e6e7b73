"""``elbflow up`` as a subprocess, seen from outside: its ready file, its endpoints, its pids."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elbflow_standalone import aws, layout, load_balancers, stack, supervision
from elbflow_standalone.demo.backends import Backend, address_in

SCRIPTS = Path(sys.executable).parent
START_S = 120.0
FIRST_PORT, BLOCKS = 31_540, 50
"""Ports whose networks are not those of ``elbflow demo``."""


class RunningStack:
    """One stack. ``ready`` is what its ready file said."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        base_port, self._claim = _claimed_base_port()
        self.where = layout.Layout(self.data_dir, base_port)
        self.ready_file = self.data_dir / "ready.json"
        self.ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(SCRIPTS / "elbflow"), "up", "--data-dir", str(self.data_dir)]
        command += ["--base-port", str(self.where.base_port), "--ready-file", str(self.ready_file)]
        with (self.data_dir / "up.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(self._is_ready, START_S, "the ready file")
        self.ready = json.loads(self.ready_file.read_text())

    def stop(self, within_s: float = 60.0) -> int:
        """Ctrl-C; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(within_s)

    def close(self, within_s: float = 60.0) -> None:
        """Stop it for good and let others have its ports."""
        self._claim.close()
        self.stop(within_s)

    def elb(self) -> aws.Client:
        return aws.client(self.where, "elb")

    def swf(self) -> aws.Client:
        return aws.client(self.where, "swf")

    def kill(self, program: str) -> int:
        """SIGKILL a program; returns the pid it had."""
        pid = supervision.pids(self.where)[program]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_restart(self, program: str, old_pid: int) -> None:
        """Wait until supervisord runs a new process of the program and every service is ready again."""
        eventually(
            lambda: supervision.pids(self.where).get(program, old_pid) != old_pid, 30, f"a new {program} process"
        )
        eventually(lambda: not any(supervision.probe(self.where, s) for s in layout.SERVICES), 40, "all services ready")

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """An ``elbflow`` command on this stack."""
        command = [str(SCRIPTS / "elbflow"), *words, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)

    def show(self, name: str) -> dict[str, Any]:
        """``elbflow lb show NAME --json``; empty when there is no such load balancer."""
        answer = self.run("lb", "show", name, "--json", check=False)
        return dict(json.loads(answer.stdout)) if answer.returncode == 0 else {}

    def wait_served(self, name: str, deadline_s: float = 40.0) -> tuple[str, list[int]]:
        """Wait until the newest generation is served; the VM's address and its listeners' ports."""
        found: dict[str, Any] = {}

        def served() -> bool:
            # As ``elbflow lb show`` does, but a process for every look would take what the stack needs.
            with contextlib.suppress(load_balancers.NoSuchLoadBalancer):
                found.update(load_balancers.as_json(asyncio.run(load_balancers.stored(self.where, name))))
            return bool(found.get("addresses")) and found["applied_generation"] >= found["desired_generation"]

        eventually(served, deadline_s, f"{name} served", lambda: found)
        return found["addresses"][0]["address"], [one["port"] for one in found["addresses"]]

    def add_instance(self, instance_id: str, number: int) -> Backend:
        """Enter an instance into the directory; its back end listens once the caller starts it."""
        backend = Backend(instance_id, address_in(self.where.network, number))
        self.run("instances", "add", instance_id, "--address", backend.address, "--zone", "local-1a")
        return backend

    def create(self, name: str, port: int = 8080) -> None:
        """A load balancer with one HTTP listener and a quick health check."""
        elb = self.elb()
        listener = {"Protocol": "HTTP", "LoadBalancerPort": port, "InstanceProtocol": "HTTP", "InstancePort": 8000}
        elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], AvailabilityZones=["local-1a"])
        elb.configure_health_check(
            LoadBalancerName=name,
            HealthCheck={
                "Target": "HTTP:8000/",
                "Interval": 5,
                "Timeout": 2,
                "UnhealthyThreshold": 2,
                "HealthyThreshold": 2,
            },
        )

    def in_service(self, name: str, *instance_ids: str) -> None:
        self.elb().get_waiter("instance_in_service").wait(
            LoadBalancerName=name,
            Instances=[{"InstanceId": one} for one in instance_ids],
            WaiterConfig={"Delay": 1, "MaxAttempts": 60},
        )

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.data_dir / "up.log").read_text()
        return self.ready_file.exists()


def eventually(
    condition: Callable[[], bool], deadline_s: float, expected: str, seen: Callable[[], object] = lambda: ""
) -> None:
    """Poll until ``condition`` holds; fail with what was expected and what was seen."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"expected {expected} within {deadline_s} s; {seen()}"
        time.sleep(0.1)


async def until(condition: Callable[[], bool], deadline_s: float, expected: str) -> None:
    """:func:`eventually` beside running traffic: the condition is evaluated in a thread."""
    await asyncio.to_thread(eventually, condition, deadline_s, expected)


def _claimed_base_port() -> tuple[int, socket.socket]:
    """A base port that nobody uses, and what keeps other tests from it until it is closed."""
    for port in range(FIRST_PORT, FIRST_PORT + BLOCKS * layout.PORTS_USED, layout.PORTS_USED):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0elbflow-e2e-{port}")
        except OSError:
            claim.close()
            continue
        if not stack.ports_in_use(layout.Layout(Path(), port)):
            return port, claim
        claim.close()
    raise AssertionError("no free ports")


def refuses(address: str, port: int) -> bool:
    """Whether nobody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) != 0
