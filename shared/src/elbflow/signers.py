"""Whose keys requests to AWS's services are signed with, where the keys come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from elbflow import clock, errors
from elbflow.swf import credentials as chains

LEAD_S = 120.0
"""Keys that end within this time are no longer handed out."""


class NoKeys(errors.Retryable):
    """There are no keys to sign with, now."""


class Signer(Protocol):
    """Somebody whose keys may change."""

    async def keys(self) -> ReadOnlyCredentials:
        """Keys that are good now. Raises :class:`errors.ElbflowError`, :class:`NoKeys` when there are none."""

    def refused(self) -> None:
        """Those keys were not accepted: get others the next time."""


class OwnKeys:
    """Whatever AWS's credential chain gives this process: a profile, or the instance's role by its metadata."""

    def __init__(self, time: clock.Clock, ask: Callable[[str | None], chains.Found | None] = chains.ask_chain) -> None:
        self._clock = time
        self._ask = ask
        self._found: chains.Found | None = None
        self._turn = asyncio.Lock()

    async def keys(self) -> ReadOnlyCredentials:
        """Keys that live for :data:`LEAD_S` more at least; those of files until they are refused."""
        async with self._turn:
            if self._found is None or self._ends(self._found):
                self._found = await self._asked()
            return self._found.keys

    def refused(self) -> None:
        """Read files, and ask the metadata service, anew."""
        self._found = None

    def _ends(self, found: chains.Found) -> bool:
        return found.expires_at is not None and self._clock.now() >= found.expires_at - LEAD_S

    async def _asked(self) -> chains.Found:
        try:
            found = await asyncio.to_thread(self._ask, None)  # it reads files
        except (BotoCoreError, TimeoutError, OSError) as error:
            raise NoKeys(f"the AWS credentials cannot be read: {error!r}") from error
        if found is None:
            raise NoKeys("there are no AWS credentials in the environment, in files or from the instance")
        return found
