"""The outside of the SWF protocol: targets, answers, error bodies (spec/swf-semantics 1.1-1.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import orjson

from elbflow import service
from elbflow_engine import core
from elbflow_engine.driver import Unavailable
from elbflow_engine.wire import scalars

MAX_BODY_BYTES = 1024 * 1024
JSON_1_0 = "application/x-amz-json-1.0"
PLAIN_JSON = "application/json"
CAPABILITIES = "safe-abort, hold-hint, backlog"

_TARGET_SUFFIX = "SimpleWorkflowService"
_MODELLED = "com.amazonaws.swf.base.model"
_VALIDATION = "com.amazon.coral.validate"
_GENERIC = "com.amazon.coral.service"
_VALIDATION_CODES = frozenset({"ValidationException", "ValidationError"})
_STATUS = {"RequestEntityTooLargeException": 413, "InternalFailure": 500, "ServiceUnavailable": 503}
_AUTH_CODES: Mapping[service.AuthCode, str] = {
    service.AuthCode.MISSING_AUTHENTICATION_TOKEN: "MissingAuthenticationTokenException",
    service.AuthCode.INCOMPLETE_SIGNATURE: "IncompleteSignatureException",
    service.AuthCode.SIGNATURE_DOES_NOT_MATCH: "InvalidSignatureException",
    service.AuthCode.INVALID_CLIENT_TOKEN_ID: "UnrecognizedClientException",
    service.AuthCode.REQUEST_EXPIRED: "InvalidSignatureException",
    service.AuthCode.EXPIRED_TOKEN: "ExpiredTokenException",
}


class Refused(Exception):
    """The request is answered with the wire ``code`` and ``message``; nothing was changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def operation_of(target: str | None, known: Collection[str]) -> str:
    """The operation that ``X-Amz-Target`` names, in either spelling. Raises :class:`Refused`."""
    prefix, _, operation = (target or "").rpartition(".")
    if not prefix.endswith(_TARGET_SUFFIX) or operation not in known:
        raise Refused("UnknownOperationException", f"Unknown operation: {target or '(no X-Amz-Target)'}")
    return operation


def content_type_of(request_type: str | None) -> str:
    """Content type of the answer: plain JSON to those who speak it, the service's own otherwise."""
    if request_type == JSON_1_0:
        return JSON_1_0
    media_type = (request_type or "").partition(";")[0].strip().lower()
    return PLAIN_JSON if media_type == PLAIN_JSON else JSON_1_0


def parse(body: bytes) -> Mapping[str, core.Json]:
    """The JSON object in ``body``; no body stands for an empty one. Raises :class:`Refused`."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused("SerializationException", f"The body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused("SerializationException", "The body is not a JSON object")
    return value


def too_large() -> Refused:
    return Refused("RequestEntityTooLargeException", f"The request exceeds {MAX_BODY_BYTES} bytes")


def busy() -> Refused:
    """The service has too much to do; retry."""
    return Refused("ServiceUnavailable", "The service is busy; try again later")


def internal_failure() -> Refused:
    """Something failed that nobody expected; retry."""
    return Refused("InternalFailure", "The request failed because of an internal error")


def refusal(error: Exception) -> Refused | None:
    """How ``error`` is told to the client; None for an unexpected one."""
    match error:
        case Refused():
            return error
        case core.Fault():
            return Refused(error.code, error.message)
        case scalars.SerializationError():
            return Refused("SerializationException", str(error))
        case scalars.ValidationError():
            return Refused("ValidationException", str(error))
        case service.AuthError():
            return Refused(_AUTH_CODES[error.code], error.message)
        case Unavailable():
            return Refused("ServiceUnavailable", str(error))
        case _:
            return None


def status_of(code: str) -> int:
    """HTTP status of a wire code."""
    return _STATUS.get(code, 400)


def error_body(refused: Refused) -> bytes:
    """The body of an error answer, with the ``__type`` prefix the code belongs to.

    Messages quote what was received, which need not be text: such bytes are replaced.
    """
    prefix = _GENERIC
    if refused.code in _VALIDATION_CODES:
        prefix = _VALIDATION
    elif refused.code.endswith("Fault"):
        prefix = _MODELLED
    message = refused.message.encode(errors="replace").decode()
    return orjson.dumps({"__type": f"{prefix}#{refused.code}", "message": message})
