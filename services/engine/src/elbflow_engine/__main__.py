"""``elbflow-engine``: the embedded SWF engine as a process, and the care of its journal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

import pydantic
import structlog
import yarl

from elbflow import service
from elbflow_engine import console, journal, maintenance, meters, server
from elbflow_engine.settings import EngineSettings

log = structlog.get_logger()

_EXAMPLE = """\
examples:
  elbflow-engine serve --data-dir /var/lib/elbflow-engine --port 8700
  elbflow-engine serve --data-dir :memory: --port 0 --hold 5
  elbflow-engine backup engine-monday.sqlite3 --data-dir /var/lib/elbflow-engine
  elbflow-engine check --data-dir /var/lib/elbflow-engine
  aws swf list-domains --registration-status REGISTERED --endpoint-url http://127.0.0.1:8700

Every option is also a variable: --data-dir is ELBFLOW_ENGINE_DATA_DIR, --admin-port is ELBFLOW_SERVICE_PORT.
"""
# Option name, setting, meaning of the value.
_OPTIONS = (
    ("--host", "engine_host", "HOST"),
    ("--port", "engine_port", "PORT"),
    ("--data-dir", "engine_data_dir", f"DIR|{journal.MEMORY}"),
    ("--auth", "engine_auth", "off|static"),
    ("--keys", "engine_keys", "FILE"),
    ("--system-only", "engine_system_only", "true|false"),
    ("--system-roles", "engine_system_roles", "NAME,..."),
    ("--hold", "engine_hold_s", "SECONDS"),
    ("--region", "engine_region", "NAME"),
    ("--max-polls", "engine_max_polls", "N"),
    ("--max-polls-per-account", "engine_max_polls_per_account", "N"),
    ("--max-polls-per-domain", "engine_max_polls_per_domain", "N"),
    ("--max-polls-per-list", "engine_max_polls_per_list", "N"),
    ("--tenant-shares", "engine_tenant_shares", "DOMAIN=N,..."),
    ("--access-log", "engine_access_log", "SHARE"),
    ("--max-connections", "engine_max_connections", "N"),
    ("--throttle-scale", "engine_throttle_scale", "FACTOR"),
    ("--admin-host", "service_host", "HOST"),
    ("--admin-port", "service_port", "PORT"),
    ("--console", "engine_console", "on|off"),
    ("--console-hosts", "engine_console_hosts", "NAME,..."),
    ("--log-level", "log_level", "LEVEL"),
    ("--log-format", "log_format", "json|console"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    0 drained or done, 1 crashed or failed, 2 usage, 78 the journal or the machine is unfit to serve.
    """
    parsed = _parser().parse_args(arguments)
    if maintenance.concerns(parsed):
        return maintenance.run(parsed)
    options = service.given(parsed)
    try:
        settings = EngineSettings(**options)
        configuration = settings.configuration()
    except (pydantic.ValidationError, service.UnusableKeys, OSError) as error:
        return service.refuse("elbflow-engine", error)
    unusable: list[journal.JournalUnusable] = []

    async def run(process: service.Process) -> None:
        try:
            await _serve(process, settings, configuration)
        except journal.JournalUnusable as error:
            log.error("journal_unusable", reason=str(error))
            unusable.append(error)

    code = service.run(run, settings, "engine", needed_files=settings.needed_files)
    return service.EXIT_UNUSABLE if unusable else code


async def _serve(process: service.Process, settings: EngineSettings, configuration: server.Configuration) -> None:
    """Serve until the process is told to stop, then drain. Returns within 5 seconds after the signal."""
    meter = meters.Meters(process.registry, settings.engine_access_log)
    async with server.serve(configuration, meter) as engine:
        process.add_readiness("journal", engine.problem)
        process.add_remaining("parked_polls", lambda: engine.parked)
        with contextlib.closing(console.Console(engine.source, settings.console_hosts)) as pages:
            if settings.engine_console == "on":
                pages.attach(process.app)
            _lead_to_console(engine, settings, await process.serve_admin())
            process.ready()
            await process.stopping.wait()
            pages.end_live()
            await _drain(engine, process)


def _lead_to_console(engine: server.Server, settings: EngineSettings, admin_url: str) -> None:
    """Log where the console is. Only an engine that believes everybody tells everybody."""
    if settings.engine_console == "off":
        return
    url = yarl.URL(admin_url)
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
    shown = url.with_host(everywhere.get(url.host or "", url.host or "")).with_path(console.PREFIX)
    log.info("console_serving", url=str(shown))
    if settings.engine_auth == "off":
        engine.lead_to_console(str(shown))


async def _drain(engine: server.Server, process: service.Process) -> None:
    """Drain, or as much of it as was done when the second signal came."""
    draining = asyncio.create_task(engine.drain(), name="drain")
    aborting = asyncio.create_task(process.aborting.wait(), name="abort-wait")
    await asyncio.wait({draining, aborting}, return_when=asyncio.FIRST_COMPLETED)
    aborting.cancel()
    if draining.done():
        draining.result()
    draining.cancel()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="elbflow-engine",
        description="The embedded Amazon SWF engine: one node, durable, long polls without threads.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve the SWF API until SIGTERM",
        description="Serve the SWF API until SIGTERM; then drain and exit 0 within 5 seconds.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    service.add_options(serve, EngineSettings, _OPTIONS)
    maintenance.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
