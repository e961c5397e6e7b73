"""boto3 clients of the stack's endpoints, as any user would make them."""

from __future__ import annotations

from typing import Any, TypeAlias

import boto3
from botocore.config import Config

from elbflow_standalone import credentials, layout

Client: TypeAlias = Any
"""boto3 makes its clients at run time; they have no static type."""

Answer: TypeAlias = dict[str, Any]


def client(where: layout.Layout, service: str) -> Client:
    """A client of ``elb`` or ``swf`` with the administrator's key."""
    keys = credentials.load(where)
    return boto3.client(
        service,
        endpoint_url={"elb": where.elb_url, "swf": where.swf_url}[service],
        region_name=layout.REGION,
        aws_access_key_id=keys.administrator.access_key_id,
        aws_secret_access_key=keys.administrator.secret_access_key,
        config=Config(read_timeout=70, retries={"mode": "standard", "total_max_attempts": 3}),
    )
