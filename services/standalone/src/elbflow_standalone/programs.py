"""The programs of the stack and the supervisord configuration that runs them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elbflow.contract import names
from elbflow_standalone import credentials, layout

GROUP = "elbflow"

# A client's drain waits for what its polls bring; our engine lets go of parked polls at once, so this is ample.
_STOP_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def search_path() -> str:
    """Where programs are looked for: Debian keeps haproxy outside the PATH of ordinary users."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def programs(where: layout.Layout) -> tuple[Program, ...]:
    """Every program of the stack with its command line. No secret is in any of them."""
    return (
        _redis(where),
        _engine(where),
        Program("api", (_script("elbflow-api"), "serve", "--auth", "static"), _api_environment(where)),
        Program("decider", (_script("elbflow-decider"),), _service_environment(where, "decider")),
        Program("activities", (_script("elbflow-activities"),), _activities_environment(where)),
        Program("agent", (_script("elbflow-agent"), "host"), _agent_environment(where)),
    )


def render(where: layout.Layout) -> str:
    """supervisord.conf. All programs are one group, so that a shutdown signals them at the same time."""
    all_programs = programs(where)
    sections = [
        _section("unix_http_server", {"file": where.supervisor_socket, "chmod": "0700"}),
        _section("supervisord", _supervisord(where)),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *(_section(f"program:{program.name}", _program(where, program)) for program in all_programs),
        _section(f"group:{GROUP}", {"programs": ",".join(program.name for program in all_programs)}),
    ]
    return "\n".join(sections)


def _supervisord(where: layout.Layout) -> dict[str, object]:
    settings: dict[str, object] = {
        "nodaemon": "true",
        "logfile": where.log_dir / "supervisord.log",
        "pidfile": where.run_dir / "supervisord.pid",
        "childlogdir": where.log_dir,
        "silent": "true",
    }
    if os.getuid() == 0:
        settings["user"] = "root"
    return settings


def _program(where: layout.Layout, program: Program) -> dict[str, object]:
    return {
        "command": shlex.join(program.command),
        "environment": ",".join(f'{key}="{value}"' for key, value in sorted(program.environment.items())),
        "autorestart": "true",
        "startretries": 20,
        "startsecs": 1,
        "stopwaitsecs": _STOP_WAIT_S,
        # HAProxy outlives the agent: an agent's restart must not stop traffic.
        "stopasgroup": "false",
        "killasgroup": "false",
        "redirect_stderr": "true",
        "stdout_logfile": where.log_dir / f"{program.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 2,
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items() if str(value)]
    return "\n".join([f"[{name}]", *lines, ""])


def _script(name: str) -> str:
    """The console script beside the running interpreter, whatever PATH says."""
    return str(Path(sys.executable).parent / name)


def _redis(where: layout.Layout) -> Program:
    options = ("--port", "0", "--unixsocket", str(where.redis_socket), "--unixsocketperm", "600")
    memory_only = ("--save", "", "--appendonly", "no", "--dir", str(where.run_dir))
    return Program("redis", ("redis-server", *options, *memory_only))


def _engine(where: layout.Layout) -> Program:
    listen = ("--host", layout.HOST, "--port", str(where.swf_port), "--data-dir", str(where.engine_dir))
    auth = ("--auth", "static", "--keys", str(where.keys_file))
    return Program("engine", (_script("elbflow-engine"), "serve", *listen, *auth), _common_environment(where, "engine"))


def _common_environment(where: layout.Layout, service: str) -> dict[str, str]:
    return {
        "ELBFLOW_SERVICE_HOST": layout.HOST,
        "ELBFLOW_SERVICE_PORT": str(where.admin_port(service)),
        "PYTHONUNBUFFERED": "1",
    }


def _service_environment(where: layout.Layout, service: str) -> dict[str, str]:
    return {
        **_common_environment(where, service),
        "AWS_SHARED_CREDENTIALS_FILE": str(where.credentials_file),
        "AWS_PROFILE": credentials.SYSTEM_PROFILE,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ELBFLOW_SWF_ENDPOINT": where.swf_url,
        "ELBFLOW_SWF_REGION": layout.REGION,
        "ELBFLOW_SWF_DOMAIN": names.DOMAIN,
    }


def _api_environment(where: layout.Layout) -> dict[str, str]:
    return {
        **_service_environment(where, "api"),
        "ELBFLOW_API_HOST": layout.HOST,
        "ELBFLOW_API_PORT": str(where.elb_port),
        "ELBFLOW_IAM_PORT": str(where.iam_port),
        "ELBFLOW_STS_PORT": str(where.sts_port),
        "ELBFLOW_MASTER_KEY_FILE": str(where.master_key_file),
        "ELBFLOW_STORE_URL": where.store_url,
    }


def _activities_environment(where: layout.Layout) -> dict[str, str]:
    return {
        **_service_environment(where, "activities"),
        "ELBFLOW_STORE_URL": where.store_url,
        "ELBFLOW_AGENT_HOST_URL": where.admin_url("agent"),
        "ELBFLOW_AGENT_TOKEN_FILE": str(where.token_file),
        "ELBFLOW_ACCESS_LOG_DIRECTORY": str(where.access_log_dir),
    }


def _agent_environment(where: layout.Layout) -> dict[str, str]:
    return {
        **_service_environment(where, "agent"),
        "ELBFLOW_AGENT_RUN_DIR": str(where.agent_dir),
        "ELBFLOW_AGENT_NETWORK": where.network,
        "ELBFLOW_AGENT_REDIS_SOCKET": str(where.redis_socket),
        "ELBFLOW_AGENT_TOKEN_FILE": str(where.token_file),
        "ELBFLOW_ACCESS_LOG_DIRECTORY": str(where.access_log_dir),
        "ELBFLOW_AGENT_IAM_ENDPOINT": f"{where.iam_url}/services/Euare/",
        "ELBFLOW_AGENT_STS_ENDPOINT": f"{where.sts_url}/",
    }
