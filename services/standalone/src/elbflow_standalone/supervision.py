"""Talk to supervisord: start it, ask it for pids, wait until every service is ready, stop it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Mapping
from pathlib import Path

from supervisor.xmlrpc import SupervisorTransport

from elbflow import errors
from elbflow_standalone import layout, programs

_POLL_S = 0.1
_PROBE_TIMEOUT_S = 2.0


class StackNotReady(errors.Retryable):
    """The stack did not become ready in time."""


class DataPlaneLeft(errors.Retryable):
    """The HAProxys of the load balancers could not be stopped."""


class StackNotRunning(errors.Permanent):
    """No stack is running here; start one with ``elbflow up`` or name its --data-dir."""


def start(where: layout.Layout) -> subprocess.Popen[bytes]:
    """Write the configuration and start supervisord in its own session, so that Ctrl-C reaches us first."""
    where.supervisor_conf.write_text(programs.render(where))
    command = [str(Path(sys.executable).parent / "supervisord"), "-n", "-c", str(where.supervisor_conf)]
    environment = {**os.environ, "PATH": programs.search_path()}
    return subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, env=environment)


def pids(where: layout.Layout) -> Mapping[str, int]:
    """Program → pid of those that run. Raises :class:`StackNotRunning`."""
    return {name: int(str(info["pid"])) for name, info in _processes(where).items() if info["statename"] == "RUNNING"}


def states(where: layout.Layout) -> Mapping[str, str]:
    """Program → supervisor's state name."""
    return {name: str(info["statename"]) for name, info in _processes(where).items()}


def _processes(where: layout.Layout) -> dict[str, Mapping[str, object]]:
    transport = SupervisorTransport(None, None, f"unix://{where.supervisor_socket}")
    with contextlib.closing(transport):
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            found = proxy.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error) as error:
            raise StackNotRunning from error
    assert isinstance(found, list)
    return {str(info["name"]): info for info in found}


def wait_ready(
    where: layout.Layout,
    deadline_s: float,
    on_progress: Callable[[str], None],
    is_alive: Callable[[], bool] = lambda: True,
) -> None:
    """Return when every service answers /readyz with 200; tell ``on_progress`` of each one as it gets there."""
    waiting = list(layout.SERVICES)
    end = time.monotonic() + deadline_s
    reasons: dict[str, str] = {}
    while waiting:
        if not is_alive():
            raise StackNotReady(f"supervisord stopped while starting; see {where.log_dir}")
        if time.monotonic() > end:
            details = "; ".join(f"{service}: {reasons[service]}" for service in waiting)
            raise StackNotReady(f"not ready after {deadline_s:.0f} s: {details}. Logs are in {where.log_dir}")
        for service in tuple(waiting):
            reasons[service] = probe(where, service)
            if not reasons[service]:
                waiting.remove(service)
                on_progress(service)
        time.sleep(_POLL_S)


def probe(where: layout.Layout, service: str) -> str:
    """Empty when the service is ready, else why not."""
    try:
        with urllib.request.urlopen(f"{where.admin_url(service)}/readyz", timeout=_PROBE_TIMEOUT_S):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip() or f"HTTP {error.code}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def stop(where: layout.Layout, process: subprocess.Popen[bytes], deadline_s: float = 60.0) -> None:
    """Stop every program, then the HAProxys that outlive their agent."""
    process.terminate()
    try:
        process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stop_data_plane(where)


def stop_data_plane(where: layout.Layout) -> None:
    """Stop the HAProxys of all load balancers."""
    agent = str(Path(sys.executable).parent / "elbflow-agent")
    command = [agent, "stop-data-plane", "--run-dir", str(where.agent_dir)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise DataPlaneLeft(f"HAProxy may still run for {where.agent_dir}: {finished.stderr.strip()}")
