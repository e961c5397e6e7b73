"""Keys that requests to IAM are signed with: the VM's role's (spec/vm-agent-data-plane 1.3, F34, F35)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from elbflow import clock, errors
from elbflow.swf import credentials as chains
from elbflow_agent.certificates import calls, dialects

STS_VERSION = "2011-06-15"
_LEAD_S = 120.0


class NoKeys(errors.Retryable):
    """There are no keys to sign with, now."""


class Role(Protocol):
    """Somebody whose keys may change."""

    async def keys(self) -> ReadOnlyCredentials:
        """Keys that are good now. Raises :class:`NoKeys`, :class:`calls.Refused` and :class:`calls.Unreachable`."""

    def refused(self) -> None:
        """Those keys were not accepted: get others the next time."""


class OwnRole:
    """Whatever AWS's credential chain gives this process: a profile, or the instance's role by its metadata."""

    def __init__(self, time: clock.Clock, ask: Callable[[str | None], chains.Found | None] = chains.ask_chain) -> None:
        self._clock = time
        self._ask = ask
        self._found: chains.Found | None = None
        self._turn = asyncio.Lock()

    async def keys(self) -> ReadOnlyCredentials:
        """Keys that live for two more minutes at least; those of files until they are refused."""
        async with self._turn:
            if self._found is None or self._ends(self._found):
                self._found = await self._asked()
            return self._found.keys

    def refused(self) -> None:
        """Read files, and ask the metadata service, anew."""
        self._found = None

    def _ends(self, found: chains.Found) -> bool:
        return found.expires_at is not None and self._clock.now() >= found.expires_at - _LEAD_S

    async def _asked(self) -> chains.Found:
        try:
            found = await asyncio.to_thread(self._ask, None)  # it reads files
        except (BotoCoreError, TimeoutError, OSError) as error:
            raise NoKeys(f"the AWS credentials cannot be read: {error!r}") from error
        if found is None:
            raise NoKeys("there are no AWS credentials in the environment, in files or from the instance")
        return found


class AssumedRole:
    """A role that this process assumes for a VM, under the VM's id: what the metadata service is to a real VM."""

    def __init__(
        self, arn: str, session_name: str, own: Role, requests: calls.Calls, endpoint: str, time: clock.Clock
    ) -> None:
        self._form = {
            "Action": "AssumeRole",
            "Version": STS_VERSION,
            "RoleArn": arn,
            "RoleSessionName": session_name,
        }
        self._own = own
        self._calls = requests
        self._endpoint = endpoint
        self._clock = time
        self._found: ReadOnlyCredentials | None = None
        self._until = float("-inf")
        self._turn = asyncio.Lock()

    async def keys(self) -> ReadOnlyCredentials:
        """Temporary keys that live for two more minutes at least."""
        async with self._turn:
            if self._found is None or self._clock.now() >= self._until:
                self._found = await self._assumed()
            return self._found

    def refused(self) -> None:
        self._found = None

    async def _assumed(self) -> ReadOnlyCredentials:
        own = await self._own.keys()
        try:
            answer = dialects.fields(await self._calls.post(self._endpoint, "sts", self._form, own))
        except calls.Refused:
            self._own.refused()
            raise
        try:
            self._until = datetime.fromisoformat(answer["Expiration"]).timestamp() - _LEAD_S
            return ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        except (KeyError, ValueError) as error:
            raise NoKeys(f"the answer to AssumeRole cannot be used: {error!r}") from error
