"""Calls of one AWS service: each has a deadline, is repeated while that may help, and fails in one of two ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import aiohttp
import stamina
import structlog
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from elbflow import clock as clocks
from elbflow import errors
from elbflow_api.cloud import base

log = structlog.get_logger()

TRY_S = 5.0
ALL_TRIES_S = 10.0
LISTING_S = 20.0
ATTEMPTS = 3

_MOST_VALUES = 200
"""Values that EC2 takes in one filter."""

_PASSING = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailure",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "Unavailable",
    }
)
"""Codes of refusals that pass."""

_UNANSWERED = (HTTPClientError, NoConnection, ResponseParserError, aiohttp.ClientError, OSError, TimeoutError)

Answer: TypeAlias = Mapping[str, Any]
"""An answer as botocore reads it."""

Told: TypeAlias = Callable[[str, str, float], None]
"""Takes the operation, the outcome and the seconds of every try."""


class Refused(errors.Permanent):
    """The service answered with an error that the caller expects."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Passing(base.CloudUnavailable):
    """Another try may succeed."""


class Service:
    """One service by its aiobotocore client. ``name`` is what users are told: ``EC2``.

    Calls raise :class:`base.CloudUnavailable` when there is no answer in time, or one that nobody asked for: a refusal
    that the operator has to look at is not an answer about what a user named.
    """

    def __init__(self, client: Any, name: str, *, clock: clocks.Clock, told: Told) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._told = told

    async def call(self, operation: str, *, expected: Collection[str] = (), **members: Any) -> Answer:
        """The answer; raises :class:`Refused` for an error whose code is among ``expected``."""
        async for attempt in stamina.retry_context(
            on=_Passing, attempts=ATTEMPTS, timeout=ALL_TRIES_S, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                return await self._once(operation, expected, members)
        raise errors.Defect("the retries ended without an answer")

    async def listed(self, operation: str, member: str, *, page: str = "NextToken", **members: Any) -> Sequence[Answer]:
        """The items under ``member`` of all pages; ``page`` names what leads from one to the next."""
        found: list[Answer] = []
        try:
            async with asyncio.timeout(LISTING_S):
                while True:
                    answer = await self.call(operation, **members)
                    self._require_sense(operation, member, answer)
                    found.extend(answer.get(member) or ())
                    if not (token := answer.get(page)):
                        return found
                    members[page] = token
        except TimeoutError as error:
            raise self._unanswered(operation, error) from error

    async def described(self, operation: str, member: str, name: str, values: Sequence[str]) -> Sequence[Answer]:
        """The items that EC2's filter ``name`` finds; a filter does not complain of values that there are not."""
        found: list[Answer] = []
        try:
            async with asyncio.timeout(LISTING_S):
                for first in range(0, len(values), _MOST_VALUES):
                    few = list(values[first : first + _MOST_VALUES])
                    found += await self.listed(operation, member, Filters=[{"Name": name, "Values": few}])
        except TimeoutError as error:
            raise self._unanswered(operation, error) from error
        return found

    async def _once(self, operation: str, expected: Collection[str], members: Mapping[str, Any]) -> Answer:
        began, outcome = self._clock.monotonic(), "cancelled"
        try:
            async with asyncio.timeout(TRY_S):
                answer: Answer = await getattr(self._client, xform_name(operation))(**members)
            outcome = "ok"
            return answer
        except ParamValidationError as error:
            raise errors.Defect(f"{self._name} {operation} cannot be asked so: {error}") from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            outcome = "ok" if code in expected else "refused"
            raise self._refused(operation, code, error, expected) from error
        except _UNANSWERED as error:
            outcome = "unanswered"
            raise self._unanswered(operation, error) from error
        except BotoCoreError as error:
            outcome = "refused"
            log.error("cloud_not_usable", asked=self._name, operation=operation, error=repr(error))
            raise base.CloudUnavailable(
                f"The service has no access to the cloud ({self._name} {operation})."
            ) from error
        finally:
            self._told(f"{self._name}:{operation}", outcome, self._clock.monotonic() - began)

    def _refused(self, operation: str, code: str, error: ClientError, expected: Collection[str]) -> Exception:
        if code in expected:
            return Refused(code)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            return self._unanswered(operation, error)
        log.error("cloud_refused", asked=self._name, operation=operation, code=code, status=status, error=str(error))
        return base.CloudUnavailable(
            f"The cloud does not let the service look at what the request names ({self._name} {operation}: {code})."
        )

    def _require_sense(self, operation: str, member: str, answer: Answer) -> None:
        """Any well-formed page would do for an empty list, had it not to look like an answer of the cloud."""
        if member not in answer and not answer.get("ResponseMetadata", {}).get("RequestId"):
            raise self._unanswered(operation, ValueError(f"the answer has no {member}"))

    def _unanswered(self, operation: str, error: Exception) -> base.CloudUnavailable:
        log.warning("cloud_not_answering", asked=self._name, operation=operation, error=repr(error))
        return _Passing(f"The cloud does not answer now ({self._name} {operation}). Repeat the request.")
