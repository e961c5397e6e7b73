"""Calls of an aiobotocore client without the layers between its model and the wire.

Credentials, endpoint, models, validation and modelled exceptions are the client's; requests, signatures, sending and
reading are done here, with the same members sent and the same values and exceptions as results (spec/perf-baselines 1).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from elbflow.swf.fast import answers
from elbflow.swf.fast.requests import Requests
from elbflow.swf.fast.sending import Sender
from elbflow.swf.fast.signing import Credentials, signed

SERVICE = "swf"
_FIRST_ERROR = 300


class Keys(Protocol):
    """Where botocore's signer gets credentials from: refreshable ones are resolved for each call."""

    async def get_frozen_credentials(self) -> Credentials: ...


class Calls:
    """Makes the calls of ``client``. ``now`` is the time that signatures carry, in seconds since the epoch.

    ``more_headers`` tells what the request that is being made must carry beside its own; it is signed too.
    """

    def __init__(
        self,
        client: Any,
        keys: Keys,
        requests: Requests,
        sender: Sender,
        *,
        now: Callable[[], float] = time.time,
        more_headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._exceptions = client.exceptions
        self._region: str = client.meta.region_name
        self._keys = keys
        self._requests = requests
        self._sender = sender
        self._now = now
        self._more_headers = more_headers

    async def __call__(self, operation: str, members: Mapping[str, Any]) -> answers.Parsed:
        """What the client's method of this name returns. Raises what that raises; cancelled, it ends the connection."""
        known = self._requests.operation(operation)
        body = self._requests.body(known, members)
        more = self._more_headers()
        url = self._requests.url
        headers = signed(
            known.method,
            url,
            {**known.headers, **more} if more else known.headers,
            body,
            credentials=await self._keys.get_frozen_credentials(),
            region=self._region,
            service=SERVICE,
            at_s=self._now(),
        )
        reply = await self._sender.send(known.method, headers, body)
        parsed = answers.parsed(reply, known.model)
        if reply.status_code >= _FIRST_ERROR:
            raise self._exceptions.from_code(parsed.get("Error", {}).get("Code"))(parsed, operation)
        return parsed
