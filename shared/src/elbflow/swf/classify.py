"""Exceptions of botocore and aiohttp as SWF faults: by code, never by HTTP status (spec/swf-semantics 1.3)."""

from __future__ import annotations

import aiohttp
from botocore import exceptions, parsers

from elbflow.swf import errors

_BY_CODE: dict[str, type[errors.SwfError]] = {
    "UnknownResourceFault": errors.UnknownResource,
    "DomainAlreadyExistsFault": errors.AlreadyExists,
    "TypeAlreadyExistsFault": errors.AlreadyExists,
    "WorkflowExecutionAlreadyStartedFault": errors.AlreadyStarted,
    "TypeDeprecatedFault": errors.TypeDeprecated,
    "DefaultUndefinedFault": errors.DefaultUndefined,
    "OperationNotPermittedFault": errors.Denied,
    "AccessDenied": errors.Denied,
    "AccessDeniedException": errors.Denied,
    "LimitExceededFault": errors.LimitExceeded,
    "ThrottlingException": errors.Throttled,
    "Throttling": errors.Throttled,
    "RequestLimitExceeded": errors.Throttled,
    "SlowDown": errors.Throttled,
    "ExpiredToken": errors.Unauthenticated,
    "ExpiredTokenException": errors.Unauthenticated,
    "UnrecognizedClientException": errors.Unauthenticated,
    "InvalidClientTokenId": errors.Unauthenticated,
    "InvalidSignatureException": errors.Unauthenticated,
    "SignatureDoesNotMatch": errors.Unauthenticated,
    "IncompleteSignature": errors.Unauthenticated,
    "IncompleteSignatureException": errors.Unauthenticated,
    "MissingAuthenticationToken": errors.Unauthenticated,
    "MissingAuthenticationTokenException": errors.Unauthenticated,
    "RequestExpired": errors.Unauthenticated,
    "RequestTimeTooSkewed": errors.Unauthenticated,
    "RequestInTheFuture": errors.Unauthenticated,
    "ValidationException": errors.Invalid,
    "ValidationError": errors.Invalid,
    "SerializationException": errors.Invalid,
    "UnknownOperationException": errors.Invalid,
    "RequestEntityTooLargeException": errors.Invalid,
    "TooManyTagsFault": errors.Invalid,
    "DomainDeprecatedFault": errors.Invalid,
    "TypeNotDeprecatedFault": errors.Invalid,
}
# Eucalyptus refuses non-administrative accounts with this code (spec/swf-semantics 1.5); only its text tells why.
_REFUSAL_CODE = "ValidationError"
_REFUSAL_TEXTS = ("system", "permitted", "authorized")
_REFUSAL_ADVICE = (
    "SWF is open to system accounts only: use the credentials of an administrator or of the load-balancing role, or "
    "open it to all accounts (services.simpleworkflow.systemonly=false, ELBFLOW_ENGINE_SYSTEM_ONLY=false)"
)

_ASKS = ("PollFor", "Count", "Describe", "Get", "List")
_NOT_SENT = (exceptions.ConnectTimeoutError, exceptions.ProxyConnectionError, exceptions.SSLError)
_LOST = (exceptions.ConnectionClosedError, exceptions.ReadTimeoutError, exceptions.HTTPClientError)
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.UnauthorizedSSOTokenError,
)


def fault(error: Exception, operation: str) -> errors.SwfError | None:
    """The SWF fault that ``error`` stands for, or None when it is not a failed call but a defect."""
    if isinstance(error, exceptions.ClientError):
        detail = error.response.get("Error", {})
        return coded(str(detail.get("Code", "")), str(detail.get("Message", "")), operation)
    made = senseless(operation) if isinstance(error, parsers.ResponseParserError) else _transport_class(error)
    return None if made is None else made(f"{operation}: {error}", operation=operation)


def senseless(operation: str) -> type[errors.SwfError]:
    """The fault for a success that cannot be read: of a call that does something it is as good as no answer."""
    return errors.Unavailable if operation.startswith(_ASKS) else errors.Ambiguous


def coded(code: str, message: str, operation: str) -> errors.SwfError:
    """The fault for a wire ``code``.

    A code nobody knows, or the bare status that botocore puts in place of a code when the body says nothing (a
    proxy's error page), counts as unavailable: repeating is safe and somebody may see it in the counters.
    """
    made = _BY_CODE.get(code, errors.Unavailable)
    text = message.lower()
    if code == _REFUSAL_CODE and any(part in text for part in _REFUSAL_TEXTS):
        made, message = errors.Denied, f"{message} ({_REFUSAL_ADVICE})"
    if made is errors.Unavailable and "rate exceeded" in text:
        made = errors.Throttled
    return made(f"{operation}: {message or code}", code=code, operation=operation)


def _transport_class(error: Exception) -> type[errors.SwfError] | None:
    if isinstance(error, exceptions.EndpointConnectionError):
        # Raised for every aiohttp connection error: only a failed connect says that nothing was sent.
        cause = error.kwargs.get("error")
        return errors.ConnectFailed if isinstance(cause, aiohttp.ClientConnectorError) else errors.Ambiguous
    if isinstance(error, _NOT_SENT):
        return errors.ConnectFailed
    if isinstance(error, _LOST):
        return errors.Ambiguous
    if isinstance(error, _NO_CREDENTIALS):
        return errors.Unauthenticated
    if isinstance(error, exceptions.ParamValidationError):
        return errors.Invalid
    return None
