"""The ready file: where a running stack answers, for people, tests and the other commands."""

from __future__ import annotations

import json
from pathlib import Path

from elbflow import errors
from elbflow_standalone import credentials, layout, supervision


class StackFileMissing(errors.Permanent):
    """There is no stack here; start one with ``elbflow up`` or name its --data-dir."""


def describe(where: layout.Layout, keys: credentials.Credentials) -> dict[str, object]:
    """What the ready file says. It holds the administrator's secret, so it is written for the owner alone."""
    return {
        "elb": where.elb_url,
        "swf": where.swf_url,
        "iam": where.iam_url,
        "sts": where.sts_url,
        "region": layout.REGION,
        "account": keys.account,
        "access_key_id": keys.administrator.access_key_id,
        "secret_access_key": keys.administrator.secret_access_key,
        "console": where.console_url,
        "metrics": {service: f"{where.admin_url(service)}/metrics" for service in layout.SERVICES},
        "pids": dict(supervision.pids(where)),
        "data_dir": str(where.data_dir),
        "base_port": where.base_port,
        "logs": str(where.log_dir),
    }


def write(path: Path, content: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    credentials.write_private(path, json.dumps(content, indent=2) + "\n")


def load_layout(data_dir: Path) -> layout.Layout:
    """The layout of the stack that was last started in ``data_dir``."""
    where = layout.Layout(data_dir.resolve(), layout.DEFAULT_BASE_PORT)
    try:
        content = json.loads(where.stack_file.read_text())
    except FileNotFoundError as error:
        raise StackFileMissing(
            f"No stack was ever started in {data_dir}; run: elbflow up --data-dir {data_dir}"
        ) from error
    return layout.Layout(where.data_dir, int(content["base_port"]))
