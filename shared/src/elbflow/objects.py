"""Objects in buckets: S3, or a directory in its stead (spec/vm-agent-data-plane 6)."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.credentials import ReadOnlyCredentials

from elbflow import clock, errors, models, signers

OWNER_FULL_CONTROL = "bucket-owner-full-control"
_CONNECT_S = 5
_ANSWER_S = 60
_BAD_KEYS = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "TokenRefreshRequired"}
)
_KEYS: contextvars.ContextVar[ReadOnlyCredentials] = contextvars.ContextVar("keys")


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

    Async context manager. There is one client, made for the first object: it takes some megabytes.
    """

    def __init__(self, region: str, endpoint: str | None = None, *, time: clock.Clock | None = None) -> None:
        self._region = region
        self._endpoint = endpoint
        self._own = signers.OwnKeys(clock.SystemClock() if time is None else time)
        self._making = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> S3Objects:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        await self.put_signed(self._own, bucket, key, body)

    def signed_by(self, signer: signers.Signer) -> Objects:
        """The same S3 for somebody else."""
        return _Signed(self, signer)

    async def put_signed(self, signer: signers.Signer, bucket: str, key: str, body: bytes) -> None:
        """:meth:`put` with the keys of ``signer``."""
        try:
            keys = await signer.keys()
        except errors.ElbflowError as error:
            raise ObjectNotStored(f"{bucket}/{key}: no keys to sign with: {error}") from error
        token = _KEYS.set(keys)
        try:
            client = await self._made()
            await client.put_object(Bucket=bucket, Key=key, Body=body, ACL=OWNER_FULL_CONTROL)
        except (boto.BotoCoreError, boto.ClientError, boto.HTTPClientError, OSError, TimeoutError) as error:
            if _code(error) in _BAD_KEYS:
                signer.refused()
            raise ObjectNotStored(f"{bucket}/{key}: {error}") from error
        finally:
            _KEYS.reset(token)

    async def _made(self) -> Any:
        async with self._making:
            if self._client is None:
                session = await asyncio.to_thread(_session)
                session.register_component("credential_provider", _Brought())
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


class _Signed:
    def __init__(self, where: S3Objects, signer: signers.Signer) -> None:
        self._where = where
        self._signer = signer

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        await self._where.put_signed(self._signer, bucket, key, body)


class _Brought(AioCredentials):  # type: ignore[misc]
    """What the client signs with: the keys of whoever puts an object just now."""

    def __init__(self) -> None:
        super().__init__("none", "none")

    async def load_credentials(self) -> AioCredentials:
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _KEYS.get()


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, boto.ClientError) else ""


@contextlib.asynccontextmanager
async def opened(
    directory: Path | None, *, region: str, endpoint: str | None
) -> AsyncIterator[DirectoryObjects | S3Objects]:
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
