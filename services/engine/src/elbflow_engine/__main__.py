"""``elbflow-engine serve``: the embedded SWF engine as a process."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

import pydantic
import structlog

from elbflow import service
from elbflow_engine import journal, meters, server
from elbflow_engine.settings import EngineSettings

log = structlog.get_logger()

_EXAMPLE = """\
examples:
  elbflow-engine serve --data-dir /var/lib/elbflow-engine --port 8700
  elbflow-engine serve --data-dir :memory: --port 0 --hold 5
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
    ("--hold", "engine_hold_s", "SECONDS"),
    ("--region", "engine_region", "NAME"),
    ("--max-polls", "engine_max_polls", "N"),
    ("--throttle-scale", "engine_throttle_scale", "FACTOR"),
    ("--admin-host", "service_host", "HOST"),
    ("--admin-port", "service_port", "PORT"),
    ("--log-level", "log_level", "LEVEL"),
    ("--log-format", "log_format", "json|console"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. 0 drained, 1 crashed, 2 usage, 78 the journal or the machine is unfit."""
    options = service.given(_parser().parse_args(arguments))
    try:
        settings = EngineSettings(**options)
        configuration = settings.configuration()
    except (pydantic.ValidationError, service.UnusableKeys, OSError) as error:
        return service.refuse("elbflow-engine", error)
    unusable: list[journal.JournalUnusable] = []

    async def run(process: service.Process) -> None:
        try:
            await _serve(process, configuration)
        except journal.JournalUnusable as error:
            log.error("journal_unusable", reason=str(error))
            unusable.append(error)

    code = service.run(run, settings, "engine", needed_files=settings.needed_files)
    return service.EXIT_UNUSABLE if unusable else code


async def _serve(process: service.Process, configuration: server.Configuration) -> None:
    """Serve until the process is told to stop, then drain. Returns within 5 seconds after the signal."""
    async with server.serve(configuration, meters.Meters(process.registry)) as engine:
        process.add_readiness("journal", engine.problem)
        process.add_remaining("parked_polls", lambda: engine.parked)
        await process.serve_admin()
        process.ready()
        await process.stopping.wait()
        await _drain(engine, process)


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
