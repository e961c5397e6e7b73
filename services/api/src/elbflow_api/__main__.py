"""``elbflow-api serve``: the front door as a process. Options win over ``ELBFLOW_*`` variables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pydantic
import structlog

from elbflow import service
from elbflow_api import running
from elbflow_api.rules import security_policies
from elbflow_api.settings import ApiSettings

log = structlog.get_logger()

_NAME = "api"
_NEEDED_FILES = 512


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code of :func:`elbflow.service.run`, 2 for wrong settings."""
    options = service.given(_parser().parse_args(arguments))
    options.pop("command")
    try:
        settings = ApiSettings(**options)
        if settings.security_policies_file is not None:
            security_policies.load(settings.security_policies_file)
    except (pydantic.ValidationError, security_policies.BadSecurityPolicies) as error:
        return service.refuse("elbflow-api", error)
    return service.run(_serve, settings, _NAME, needed_files=_NEEDED_FILES)


async def _serve(process: service.Process) -> None:
    settings = process.settings
    assert isinstance(settings, ApiSettings)
    await process.serve_admin()
    async with (
        running.swf_client(settings, process.registry) as client,
        running.api(settings, client, registry=process.registry, stopping=process.stopping) as api,
    ):
        process.add_readiness("store", api.probe.store)
        process.add_readiness("swf", api.probe.swf)
        process.add_remaining("calls", lambda: api.open_calls)
        process.ready()
        log.info("serving", url=api.url, iam_url=api.iam_url, sts_url=api.sts_url, auth=settings.auth)
        await process.stopping.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="elbflow-api", description="The AWS Classic ELB endpoint of elbflow")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the endpoint until SIGTERM")
    serve.add_argument("--host", dest="api_host", help="address of the endpoint (ELBFLOW_API_HOST, 127.0.0.1)")
    serve.add_argument("--port", dest="api_port", type=int, help="port of the endpoint (ELBFLOW_API_PORT, 0: any)")
    serve.add_argument(
        "--iam-port", type=int, help="port of the IAM endpoint (ELBFLOW_IAM_PORT; not served when not given)"
    )
    serve.add_argument(
        "--sts-port", type=int, help="port of the STS endpoint (ELBFLOW_STS_PORT; not served when not given)"
    )
    serve.add_argument("--store", dest="store_url", help="SQLAlchemy URL of the store (ELBFLOW_STORE_URL)")
    serve.add_argument("--swf-endpoint", dest="swf_endpoint", help="URL of SWF (ELBFLOW_SWF_ENDPOINT)")
    serve.add_argument(
        "--auth", choices=("static", "off"), help="static: requests must be signed; off: believe callers (ELBFLOW_AUTH)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
