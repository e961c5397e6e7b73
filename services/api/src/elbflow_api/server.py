"""Query endpoints over HTTP; that of ELB takes ``/`` and ``/services/LoadBalancing`` (spec/elb-control-plane 1.1)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web

from elbflow import errors, service
from elbflow_api import authentication, dispatch, faults, metrics, query
from elbflow_api.cloud import base
from elbflow_api.dependencies import Dependencies

log = structlog.get_logger()

_UNKNOWN = "unknown"
_OK = "OK"
_CANCELLED = "Cancelled"
_READ_S = 20.0
_SOAP = ("text/xml", "application/xml", "application/soap+xml")


@dataclass(frozen=True, slots=True)
class Front:
    """What an endpoint serves: which operation a request means, and what it answers."""

    namespace: str
    paths: tuple[str, ...]
    largest_body: int
    operation: Callable[[Sequence[tuple[str, str]]], query.Operation]
    answer: Callable[
        [query.Operation, Sequence[tuple[str, str]], service.Identity, Dependencies], Awaitable[query.Response]
    ]
    render: Callable[[query.Operation, query.Response, str], bytes] = query.render_result


LOAD_BALANCING = Front(
    query.NAMESPACE, ("/", "/services/LoadBalancing"), 1024 * 1024, dispatch.operation, dispatch.answer
)


class Endpoint:
    """Answers calls. Every answer, also to what is no call at all, is XML as AWS shapes it, with a request id."""

    def __init__(
        self,
        room: Dependencies,
        authenticator: service.Authenticator,
        meters: metrics.Meters,
        front: Front = LOAD_BALANCING,
    ) -> None:
        self._room = room
        self._front = front
        self._authenticator = authenticator
        self._meters = meters
        self.open_calls = 0

    def app(self) -> web.Application:
        """A new application with the endpoint's routes."""
        app = web.Application(client_max_size=self._front.largest_body)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        """Answer one request; never raises but for cancellation, which leaves an ordered workflow running."""
        began = time.monotonic()
        self.open_calls += 1
        attempt = _Attempt(str(uuid.uuid4()))
        try:
            status, body = 200, await self._answer(request, attempt)
            attempt.code = _OK
        except query.Fault as fault:
            attempt.code = fault.code
            status, body = fault.status, query.render_fault(fault, attempt.request_id, self._front.namespace)
        finally:
            self.open_calls -= 1
            self._meters.answered(attempt.action, attempt.code, time.monotonic() - began)
        return web.Response(
            status=status,
            body=body,
            content_type="text/xml",
            # Whoever is not let in need not know which versions of what answer.
            headers={"x-amzn-RequestId": attempt.request_id, "Server": "elbflow"},
        )

    async def _answer(self, request: web.Request, attempt: _Attempt) -> bytes:
        try:
            _check_target(request, self._front.paths)
            body = await _read(request, self._front.largest_body)
            signed = service.from_aiohttp(request, body)
            caller = await self._authenticator.verify(signed)
            pairs = query.read_pairs(signed.query.encode("utf-8", "surrogateescape"), body)
            operation = self._front.operation(pairs)
            attempt.action = operation.name
            return self._front.render(
                operation, await self._front.answer(operation, pairs, caller, self._room), attempt.request_id
            )
        except query.Fault:
            raise
        except service.AuthError as error:
            raise authentication.fault(error) from error
        except base.CloudUnavailable as error:
            log.warning("cloud_not_asked", action=attempt.action, request_id=attempt.request_id, reason=str(error))
            raise faults.unavailable(str(error)) from error
        except errors.Retryable as error:
            log.warning("call_not_served", action=attempt.action, request_id=attempt.request_id, error=repr(error))
            raise faults.unavailable("The request cannot be served now. Repeat it.") from error
        except Exception as error:
            log.exception("call_failed", action=attempt.action, request_id=attempt.request_id)
            raise faults.internal_failure(
                f"An internal error occurred; its report has the request id {attempt.request_id}"
            ) from error


class _Attempt:
    """What is known of a request so far, for its answer and its metrics."""

    __slots__ = ("action", "code", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.action = _UNKNOWN
        self.code = _CANCELLED


def _check_target(request: web.Request, paths: tuple[str, ...]) -> None:
    if request.path not in paths:
        raise query.Fault("NotFound", f"There is nothing here; calls go to {' or '.join(paths)}", status=404)
    if request.method not in ("GET", "POST"):
        raise query.Fault("MethodNotAllowed", f"Calls are GET or POST, not {request.method}", status=405)
    if request.content_type in _SOAP or "SOAPAction" in request.headers:
        raise query.Fault("UnsupportedOperation", "SOAP is not supported by this service; use the Query protocol")


async def _read(request: web.Request, largest: int) -> bytes:
    try:
        async with asyncio.timeout(_READ_S):
            return await request.read()
    except TimeoutError:
        raise query.Fault("RequestTimeout", f"The request did not arrive within {_READ_S:g} seconds") from None
    except web.HTTPRequestEntityTooLarge:
        raise query.Fault("RequestEntityTooLarge", f"The request is larger than {largest} bytes", status=413) from None
