"""Where the one-machine stack keeps its files and which ports it uses. Everything follows from two values."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
REGION = "local-1"
DEFAULT_BASE_PORT = 8700
PORTS_USED = 20

# Unix socket paths may have 107 bytes; HAProxy's sockets lie some 45 below the run directory.
_LONGEST_RUN_DIR = 50


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths, ports and addresses of one stack.

    ``data_dir`` holds what must survive a restart, ``run_dir`` sockets and pid files. Two stacks with different base
    ports do not meet: their load balancers listen in different ``127.x.0.0/16`` networks.
    """

    data_dir: Path
    base_port: int

    @property
    def run_dir(self) -> Path:
        inside = self.data_dir / "run"
        if len(os.fsencode(inside)) <= _LONGEST_RUN_DIR:
            return inside
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"elbflow-{digest}"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def engine_dir(self) -> Path:
        return self.data_dir / "engine"

    @property
    def agent_dir(self) -> Path:
        return self.run_dir / "vms"

    @property
    def access_log_dir(self) -> Path:
        """Buckets of access logs, in S3's stead."""
        return self.data_dir / "access-logs"

    @property
    def keys_file(self) -> Path:
        return self.data_dir / "keys.json"

    @property
    def credentials_file(self) -> Path:
        return self.data_dir / "credentials"

    @property
    def master_key_file(self) -> Path:
        """What private keys of server certificates are encrypted with; a backup of the store is worthless without."""
        return self.data_dir / "master-key"

    @property
    def token_file(self) -> Path:
        return self.data_dir / "agent-token"

    @property
    def stack_file(self) -> Path:
        """What the other commands need to find a running stack."""
        return self.data_dir / "stack.json"

    @property
    def store_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.data_dir / 'store.sqlite'}"

    @property
    def redis_socket(self) -> Path:
        return self.run_dir / "redis.sock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run_dir / "supervisor.sock"

    @property
    def supervisor_conf(self) -> Path:
        return self.run_dir / "supervisord.conf"

    @property
    def network(self) -> str:
        """The loopback network of this stack's load-balancer VMs."""
        return f"127.{64 + self.base_port // PORTS_USED % 128}.0.0/16"

    @property
    def elb_port(self) -> int:
        return self.base_port

    @property
    def swf_port(self) -> int:
        return self.base_port + 1

    @property
    def iam_port(self) -> int:
        return self.base_port + 2

    @property
    def sts_port(self) -> int:
        return self.base_port + 3

    @property
    def elb_url(self) -> str:
        return f"http://{HOST}:{self.elb_port}"

    @property
    def swf_url(self) -> str:
        return f"http://{HOST}:{self.swf_port}"

    @property
    def iam_url(self) -> str:
        return f"http://{HOST}:{self.iam_port}"

    @property
    def sts_url(self) -> str:
        return f"http://{HOST}:{self.sts_port}"

    @property
    def console_url(self) -> str:
        """The engine's console, for a browser."""
        return f"{self.admin_url('engine')}/console"

    def admin_port(self, service: str) -> int:
        """Port of a service's /livez, /readyz and /metrics."""
        return self.base_port + 10 + SERVICES.index(service)

    def admin_url(self, service: str) -> str:
        return f"http://{HOST}:{self.admin_port(service)}"

    def make_directories(self) -> None:
        """Create the directories, readable by their owner alone."""
        for directory in (self.data_dir, self.run_dir, self.log_dir, self.engine_dir, self.agent_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


SERVICES = ("engine", "api", "decider", "activities", "agent")
"""Programs with an admin endpoint, in the order of their ports."""
