"""boto3 clients of the stack's endpoints, as any user would make them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import boto3
from botocore import exceptions
from botocore.config import Config

from elbflow import errors
from elbflow_standalone import credentials, layout

Client: TypeAlias = Any
"""boto3 makes its clients at run time; they have no static type."""

Answer: TypeAlias = dict[str, Any]


class Refused(errors.Permanent):
    """The endpoint refused the call."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(errors.Permanent):
    """Nothing answers at the endpoint's address."""


def client(where: layout.Layout, service: str) -> Client:
    """A client of ``elb``, ``iam``, ``sts`` or ``swf`` with the administrator's key."""
    keys = credentials.load(where)
    urls = {"elb": where.elb_url, "iam": where.iam_url, "sts": where.sts_url, "swf": where.swf_url}
    return boto3.client(
        service,
        endpoint_url=urls[service],
        region_name=layout.REGION,
        aws_access_key_id=keys.administrator.access_key_id,
        aws_secret_access_key=keys.administrator.secret_access_key,
        config=Config(read_timeout=70, retries={"mode": "standard", "total_max_attempts": 3}),
    )


@contextlib.contextmanager
def explained(where: layout.Layout) -> Iterator[None]:
    """Raise what a client of ``where`` raises as :class:`Refused` or :class:`Unreachable`, in one sentence."""
    try:
        yield
    except exceptions.ClientError as error:
        told: Answer = error.response["Error"]
        raise Refused(f"{told.get('Message') or 'the call was refused'} ({told['Code']})", told["Code"]) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise Unreachable(f"{error}. Is the stack running? elbflow status --data-dir {where.data_dir}") from error
