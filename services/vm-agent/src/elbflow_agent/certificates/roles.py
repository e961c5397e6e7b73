"""Keys that requests to IAM are signed with: the VM's role's (spec/vm-agent-data-plane 1.3, F34, F35)."""

from __future__ import annotations

import asyncio
from datetime import datetime

from botocore.credentials import ReadOnlyCredentials

from elbflow import clock, signers
from elbflow_agent.certificates import calls, dialects

STS_VERSION = "2011-06-15"


class AssumedRole:
    """A role that this process assumes for a VM, under the VM's id: what the metadata service is to a real VM."""

    def __init__(
        self, arn: str, session_name: str, own: signers.Signer, requests: calls.Calls, endpoint: str, time: clock.Clock
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
            self._until = datetime.fromisoformat(answer["Expiration"]).timestamp() - signers.LEAD_S
            return ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        except (KeyError, ValueError) as error:
            raise signers.NoKeys(f"the answer to AssumeRole cannot be used: {error!r}") from error
