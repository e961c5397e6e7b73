"""Where one HAProxy's files and sockets are, and the limits it gets."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass, field, replace
from pathlib import Path

from elbflow import errors
from elbflow_agent.certificates import private
from elbflow_agent.haproxy import logs, safe

_LONGEST_SOCKET_PATH = 97  # HAProxy itself accepts no longer one
_RESERVED_FILES = 200
_LONGEST_PROMISE_S = 4000  # the idle timeout's greatest value; the draining timeout's is 3600
_BACKSTOP_MARGIN_S = 60
IDENTITY_NAME = "identity.pem"
KEY_SUFFIX = ".pem"
EMPTY_503 = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PathTooLong(errors.Permanent):
    """The run directory's path is too long for a unix socket."""


@dataclass(frozen=True, slots=True)
class Place:
    """The private directory of one HAProxy. ``keys`` is that of its key files, which must be in memory."""

    directory: Path
    keys: Path | None = None
    admin_socket: Path = field(init=False, repr=False, compare=False)
    """Made once: a path takes 300 bytes, and several parts of each VM keep this one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "admin_socket", self.directory / "admin.sock")  # frozen for everybody else
        safe.path(str(self.directory))
        safe.path(str(self.key_directory))
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
    def key_directory(self) -> Path:
        return self.keys if self.keys is not None else private.default(self.directory)

    @property
    def apart(self) -> Place:
        """The same with key files that are being checked and are not in force."""
        return replace(self, keys=self.key_directory / "candidate")

    def key_file(self, port: int) -> Path:
        """Certificate and key of the TLS listener on ``port``."""
        return self.key_directory / f"{port}{KEY_SUFFIX}"

    @property
    def routes(self) -> Path:
        """Which server a value of ``AWSELB`` means, for listeners that follow application cookies."""
        return self.directory / "routes.map"

    def trust_file(self, port: int) -> Path:
        """Certificates by which servers behind the listener on ``port`` are accepted."""
        return self.directory / trust_name(port)

    @property
    def identity(self) -> Path:
        """Key and certificate of no meaning; with them HAProxy lets trust files change at run time."""
        return self.directory / IDENTITY_NAME

    @property
    def pid_file(self) -> Path:
        return self.directory / "haproxy.pid"

    @property
    def log_pipe(self) -> Path:
        """Where HAProxy writes what its requests took."""
        return self.directory / "log.pipe"

    @property
    def log(self) -> Path:
        return self.directory / "haproxy.log"

    @property
    def master_socket(self) -> Path:
        return self.directory / "master.sock"

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
        for pipe in (self.log_pipe, logs.taken(self.log_pipe)):
            if not pipe.is_fifo():
                os.mkfifo(pipe, 0o600)


def trust_name(port: int) -> str:
    """Name of a trust file within its directory."""
    return f"trust-{port}.pem"


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_connections`` bounds client connections, ``old_workers`` how many of those there may be.

    ``hard_stop_s`` is how long an old worker may finish what no draining timeout speaks of.
    ``low_ports`` says that HAProxy may bind ports below 1024 even if this process may not.
    """

    max_connections: int = 4000
    hard_stop_s: int = 300
    low_ports: bool = False
    old_workers: int = 16

    @property
    def backstop_s(self) -> int:
        """When an old worker ends by itself, should no agent end it: later than anything can be promised."""
        return max(self.hard_stop_s, _LONGEST_PROMISE_S) + _BACKSTOP_MARGIN_S

    def fitted(self) -> Limits:
        """The same limits, reduced to what the hard limit of open files allows (two files per connection)."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY:
            return self
        return replace(self, max_connections=max(100, min(self.max_connections, (hard - _RESERVED_FILES) // 2)))
