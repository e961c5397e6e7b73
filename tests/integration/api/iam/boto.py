"""boto3's clients for tests that share a loop with the server."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from elbflow import store


class Boto:
    """One service's client, called from the loop without blocking it. The server checks parameters, not the client."""

    def __init__(self, service: str, url: str | None, key: store.AccessKey) -> None:
        self.boto: Any = boto3.client(
            service,
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            aws_session_token=key.session_token,
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False),
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(asyncio.to_thread, getattr(self.boto, name))
