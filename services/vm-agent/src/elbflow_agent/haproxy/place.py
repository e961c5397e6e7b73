"""Where one HAProxy's files and sockets are, and the limits it gets."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from elbflow import errors
from elbflow_agent.haproxy import safe

_LONGEST_SOCKET_PATH = 97  # HAProxy itself accepts no longer one
_RESERVED_FILES = 200
EMPTY_503 = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PathTooLong(errors.Permanent):
    """The run directory's path is too long for a unix socket."""


@dataclass(frozen=True, slots=True)
class Place:
    """The private directory of one HAProxy."""

    directory: Path

    def __post_init__(self) -> None:
        safe.path(str(self.directory))
        if len(str(self.master_socket)) > _LONGEST_SOCKET_PATH:
            raise PathTooLong(f"{self.directory} is too long a path for unix sockets; choose a shorter run directory")

    @property
    def configuration(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def candidate(self) -> Path:
        """A configuration that is being checked and is not in force."""
        return self.directory / "candidate.cfg"

    @property
    def pid_file(self) -> Path:
        return self.directory / "haproxy.pid"

    @property
    def log(self) -> Path:
        return self.directory / "haproxy.log"

    @property
    def master_socket(self) -> Path:
        return self.directory / "master.sock"

    @property
    def admin_socket(self) -> Path:
        return self.directory / "admin.sock"

    @property
    def stats_socket(self) -> Path:
        return self.directory / "stats.sock"

    @property
    def error_503(self) -> Path:
        return self.directory / "503.http"

    def prepare(self) -> None:
        """Create the directory (0700) and the static error page. Blocking."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.directory, 0o700)
        self.error_503.write_bytes(EMPTY_503)


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_connections`` bounds client connections, ``hard_stop_s`` how long an old worker may drain."""

    max_connections: int = 4000
    hard_stop_s: int = 300

    def fitted(self) -> Limits:
        """The same limits, reduced to what the hard limit of open files allows (two files per connection)."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY:
            return self
        return Limits(max(100, min(self.max_connections, (hard - _RESERVED_FILES) // 2)), self.hard_stop_s)
