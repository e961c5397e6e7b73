"""Any SWF endpoint for the commands that are not about the one-machine stack alone."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping

from elbflow import swf
from elbflow.swf.quota_settings import QuotaSettings
from elbflow_standalone import commands, credentials, layout, stack_file
from elbflow_standalone.commands import env

_CONNECTIONS = 8


def add_to(parser: argparse.ArgumentParser) -> None:
    """The options that say which endpoint is meant."""
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="SWF endpoint; its keys come from AWS's usual places (default: $AWS_ENDPOINT_URL_SWF, "
        "else the running stack with its own keys, else AWS)",
    )
    parser.add_argument("--region", metavar="REGION", help="default: $AWS_DEFAULT_REGION, else us-east-1")
    parser.add_argument(
        "--share",
        type=_share,
        default=0.25,
        metavar="PART",
        help="part of the account's request quotas to use at most (default 0.25)",
    )
    commands.add_data_dir(parser)


@contextlib.asynccontextmanager
async def client(arguments: argparse.Namespace) -> AsyncIterator[swf.Client]:
    """A client of the endpoint that the arguments name, which keeps to a part of the account's quotas."""
    url = arguments.endpoint or os.environ.get("AWS_ENDPOINT_URL_SWF")
    region = arguments.region or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    keys: Mapping[str, str] = {}
    if url is None:
        with contextlib.suppress(stack_file.StackFileMissing):
            where = stack_file.load_layout(arguments.data_dir)
            url, region, keys = where.swf_url, layout.REGION, env.variables(where, credentials.load(where))
    settings = swf.ClientSettings(
        region=region,
        endpoint_url=url,
        poll_connections=1,
        data_connections=_CONNECTIONS,
        quotas=QuotaSettings(share=arguments.share),
    )
    with _environment(keys):
        async with swf.Client.open(settings) as opened:
            yield opened


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the length of the block: clients take their keys from there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _share(text: str) -> float:
    part = float(text)
    if not 0.0 < part <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} must be above 0 and at most 1, a part of the account's quota")
    return part
