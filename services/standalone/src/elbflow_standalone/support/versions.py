"""What runs here: versions of programs and libraries, and the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import subprocess

from elbflow.service import process
from elbflow_standalone import programs

_TIMEOUT_S = 10.0


def found() -> dict[str, object]:
    """By name. What is not installed is said to be so."""
    installed = {each.name: each.version for each in importlib.metadata.distributions()}
    return {
        "elbflow": process.VERSION,
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "haproxy": _said("haproxy", "-vv"),
        "redis": _said("redis-server", "--version"),
        "machine": {
            "kernel": platform.platform(),
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "libraries": dict(sorted(installed.items())),
    }


def _said(*command: str) -> list[str]:
    environment = {"PATH": programs.search_path()}
    try:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [f"not to be had: {error}"]
    return finished.stdout.splitlines()
