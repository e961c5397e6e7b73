"""Objects in buckets: S3, or a directory in its stead (spec/vm-agent-data-plane 6)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto

from elbflow import errors, models

OWNER_FULL_CONTROL = "bucket-owner-full-control"
_CONNECT_S = 5
_ANSWER_S = 60


class ObjectNotStored(errors.Retryable):
    """The object could not be stored now. Buckets and permissions come back, so no reason is final."""


class Objects(Protocol):
    """Where objects are put. Storing the same key again replaces the object."""

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        """Store ``body``, owned by the bucket's owner; raises :class:`ObjectNotStored`.

        Cancelled, the object is stored wholly or not at all.
        """


class DirectoryObjects:
    """A directory with one directory per bucket."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        try:
            await asyncio.to_thread(self._put, bucket, key, body)
        except OSError as error:
            raise ObjectNotStored(f"{bucket}/{key}: {error}") from error

    def _put(self, bucket: str, key: str, body: bytes) -> None:
        path = (self._root / bucket / key.lstrip("/")).resolve()
        if not path.is_relative_to(self._root.resolve() / bucket) or "/" in bucket or bucket in ("", ".", ".."):
            raise OSError("the name leads out of the bucket")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


class S3Objects:
    """S3, AWS's or any other at ``endpoint``, with the credentials that the environment or the role gives.

    Async context manager. The client is made for the first object: it takes some megabytes.
    """

    def __init__(self, region: str, endpoint: str | None = None) -> None:
        self._region = region
        self._endpoint = endpoint
        self._making = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> S3Objects:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        try:
            client = await self._made()
            await client.put_object(Bucket=bucket, Key=key, Body=body, ACL=OWNER_FULL_CONTROL)
        except (boto.BotoCoreError, boto.ClientError, boto.HTTPClientError, OSError, TimeoutError) as error:
            raise ObjectNotStored(f"{bucket}/{key}: {error}") from error

    async def _made(self) -> Any:
        async with self._making:
            if self._client is None:
                session = await asyncio.to_thread(_session)
                self._client = await self._open.enter_async_context(
                    session.create_client(
                        "s3",
                        region_name=self._region,
                        endpoint_url=self._endpoint,
                        config=AioConfig(
                            connect_timeout=_CONNECT_S,
                            read_timeout=_ANSWER_S,
                            retries={"max_attempts": 0},
                            s3={"addressing_style": "path" if self._endpoint else "auto"},
                            request_checksum_calculation="when_required",
                        ),
                    )
                )
            return self._client


@contextlib.asynccontextmanager
async def opened(directory: Path | None, *, region: str, endpoint: str | None) -> AsyncIterator[Objects]:
    """The objects below ``directory`` if there is one, else those of S3."""
    if directory is not None:
        yield DirectoryObjects(directory)
        return
    async with S3Objects(region, endpoint) as objects:
        yield objects


def _session() -> AioSession:
    """A session that has read its files. Blocking."""
    session = AioSession()
    models.load(session, "s3")
    session.get_scoped_config()
    return session
