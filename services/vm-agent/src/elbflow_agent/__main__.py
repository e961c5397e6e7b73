"""``elbflow-agent``: ``host`` runs many VMs, ``run`` one, ``stop-data-plane`` ends what an agent left serving."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from elbflow import service
from elbflow_agent import boot, files, running, trust
from elbflow_agent.haproxy import version
from elbflow_agent.settings import HostSettings, VmSettings

_EXAMPLE = """\
Every option is also a variable: --run-dir is ELBFLOW_AGENT_RUN_DIR, --admin-port is ELBFLOW_SERVICE_PORT,
--swf-endpoint is ELBFLOW_SWF_ENDPOINT. A stopped agent leaves HAProxy serving; stop-data-plane ends that.
"""
# Option name, setting, meaning of the value.
_COMMON = (
    ("--run-dir", "agent_run_dir", "DIR"),
    ("--redis-socket", "agent_redis_socket", "PATH"),
    ("--haproxy", "agent_haproxy", "PROGRAM"),
    ("--iam-endpoint", "agent_iam_endpoint", "URL"),
    ("--ca-bundle", "agent_ca_bundle", "FILE"),
    ("--swf-endpoint", "swf_endpoint", "URL"),
    ("--swf-region", "swf_region", "NAME"),
    ("--swf-domain", "swf_domain", "NAME"),
    ("--swf-endpoint-kind", "swf_endpoint_kind", "local|aws|eucalyptus"),
    ("--swf-poll-connections", "swf_poll_connections", "N"),
    ("--admin-host", "service_host", "HOST"),
    ("--admin-port", "service_port", "PORT"),
    ("--log-level", "log_level", "LEVEL"),
    ("--log-format", "log_format", "json|console"),
)
_HOST = (
    ("--network", "agent_network", "CIDR"),
    ("--token-file", "agent_token_file", "FILE"),
    ("--sts-endpoint", "agent_sts_endpoint", "URL"),
)
_RUN = (
    ("--servo-conf", "agent_servo_conf", "FILE"),
    ("--instance-id", "agent_instance_id", "ID"),
    ("--address", "agent_address", "ADDRESS"),
    ("--more-addresses", "agent_more_addresses", "ADDRESSES"),
    ("--credential-file", "agent_credential_file", "FILE"),
    ("--role", "agent_role", "worker|servo|both"),
    ("--account", "agent_account", "ACCOUNT"),
    ("--load-balancer", "agent_load_balancer", "NAME"),
)
_UNUSABLE = (
    pydantic.ValidationError,
    service.UnusableSecret,
    files.InUse,
    boot.UnusableServoConf,
    boot.MetadataUnavailable,
    version.Unsuitable,
    OSError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code of :func:`elbflow.service.run`, or 2 for wrong settings."""
    options = service.given(_parser().parse_args(arguments))
    command = options.pop("command")
    try:
        if command == "host":
            return _host(options)
        return _run(options) if command == "run" else _stop_data_plane(options)
    except _UNUSABLE as error:
        return service.refuse("elbflow-agent", error)


def _host(options: dict[str, Any]) -> int:
    settings = HostSettings(**options)
    trust.pin(settings.agent_ca_bundle)
    token = service.read_secret(settings.agent_token_file)
    version.require(settings.agent_haproxy)

    from elbflow_agent.host import running as hosting  # the agent of one VM has no use for it

    async def serve(process: service.Process) -> None:
        await hosting.host(process, settings, token)

    with files.exclusive(settings.agent_run_dir):
        return service.run(serve, settings, "agent", needed_files=settings.needed_files)


def _run(options: dict[str, Any]) -> int:
    settings = VmSettings(**options)
    trust.pin(settings.agent_ca_bundle)

    async def serve(process: service.Process) -> None:
        await running.vm(process, settings)

    alone = settings.agent_role == "worker"  # it owns no files
    if not alone:
        version.require(settings.agent_haproxy)
    with contextlib.nullcontext() if alone else files.exclusive(settings.agent_run_dir / settings.agent_instance_id):
        return service.run(
            serve,
            settings,
            "agent",
            needed_files=settings.needed_files,
            loop_factory=asyncio.new_event_loop,  # one VM has few events, and memory counts
        )


def _stop_data_plane(options: dict[str, Any]) -> int:
    binary = shutil.which("haproxy") or "haproxy"
    stopped = asyncio.run(running.stop_data_plane(options["run_dir"].absolute(), binary, soft_s=options["soft_s"]))
    sys.stderr.write(f"elbflow-agent: {stopped} HAProxy stopped\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elbflow-agent",
        description="The agent of elbflow's load-balancer VMs",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    host = commands.add_parser("host", help="run many VMs on loopback addresses")
    service.add_options(host, HostSettings, (*_COMMON, *_HOST))
    run = commands.add_parser("run", help="run one VM, or its worker or servo alone")
    service.add_options(run, VmSettings, (*_COMMON, *_RUN))
    stop = commands.add_parser("stop-data-plane", help="stop every HAProxy that a stopped agent left running")
    stop.add_argument("--run-dir", dest="run_dir", type=Path, required=True, metavar="DIR")
    stop.add_argument("--soft-s", dest="soft_s", type=float, default=1.0, metavar="SECONDS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
