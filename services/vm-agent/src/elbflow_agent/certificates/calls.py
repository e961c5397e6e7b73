"""Signed calls of the Query protocol: IAM's and STS's, of which this agent needs three (7.4).

Neither is called through the SDK: its models have no operation between VMs and IAM, and what it needs of memory for a
service would be paid by every agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from elbflow import errors
from elbflow_agent.certificates import dialects

TIMEOUT_S = 10.0
_LONGEST_CODE = 64
_LONGEST_MESSAGE = 500
"""Characters of what a service says, which becomes part of what VMs report: SWF takes 32 KiB of that."""
_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    # What is small on the wire and huge in memory is not asked for.
    "Accept-Encoding": "identity",
}


class Refused(errors.Permanent):
    """The service says no; asking in the same way is of no use."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Unreachable(errors.Retryable):
    """The service does not answer, or not now."""


class Calls:
    """One HTTP session for any number of VMs."""

    def __init__(self, session: aiohttp.ClientSession, region: str) -> None:
        self._session = session
        self._region = region

    async def post(self, url: str, service: str, form: Mapping[str, str], keys: ReadOnlyCredentials) -> bytes:
        """The answer's body. Raises :class:`Refused` and :class:`Unreachable`; within ten seconds."""
        body = urlencode(form).encode()
        request = AWSRequest(method="POST", url=url, data=body, headers=_HEADERS)
        SigV4Auth(keys, service, self._region).add_auth(request)
        try:
            async with self._session.post(
                url,
                data=body,
                headers=dict(request.headers.items()),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(dialects.LARGEST + 1)
                while not response.content.at_eof() and len(answer) <= dialects.LARGEST:
                    answer += await response.content.read(dialects.LARGEST + 1)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{url} does not answer: {error!r}") from error
        if status == HTTPStatus.OK:
            return answer
        raise _fault(status, answer)


def _fault(status: int, body: bytes) -> Refused | Unreachable:
    try:
        found = dialects.fields(body)
    except dialects.NotXml:
        found = {}
    code = found.get("Code", f"HTTP {status}")[:_LONGEST_CODE]
    message = found.get("Message", "")[:_LONGEST_MESSAGE]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unreachable(f"{code}: {message}")
    return Refused(status, code, message)
