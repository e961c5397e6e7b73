"""``elbflow env``: shell lines that point AWS tools at the stack."""

from __future__ import annotations

import argparse
import shlex

from elbflow_standalone import commands, credentials, layout, stack_file


def add_to(subparsers: commands.Subparsers) -> None:
    parser = subparsers.add_parser(
        "env",
        help="print the export lines that make a plain `aws elb …` and `aws iam …` work",
        description='Use it as: eval "$(elbflow env)"',
    )
    commands.add_data_dir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    where = stack_file.load_layout(arguments.data_dir)
    keys = credentials.load(where)
    for name, value in variables(where, keys).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def variables(where: layout.Layout, keys: credentials.Credentials) -> dict[str, str]:
    """The environment that AWS SDKs and the AWS CLI read."""
    return {
        "AWS_ACCESS_KEY_ID": keys.administrator.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.administrator.secret_access_key,
        "AWS_DEFAULT_REGION": layout.REGION,
        "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING": where.elb_url,
        "AWS_ENDPOINT_URL_SWF": where.swf_url,
        "AWS_ENDPOINT_URL_IAM": where.iam_url,
        "AWS_ENDPOINT_URL_STS": where.sts_url,
        "ELBFLOW_DATA_DIR": str(where.data_dir),
    }
